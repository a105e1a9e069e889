"""`twinsaga serve order-service` and the other three services of the choreography."""

import sys
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from messaging.kafka.choreographed_service import ServiceTiming
from messaging.kafka.lag import GroupLag
from messaging.sql.consuming import ConsumingService
from processes.choreography.metrics import service_metrics
from processes.choreography.service import choreographed_service, topics_read_by
from processes.step_metrics import measured_consumer
from runtime.kafka import kafka_connection
from runtime.metrics import metrics_served
from runtime.readiness import announce_ready
from runtime.sealing import payment_seal, shipping_seal
from runtime.settings import Settings
from runtime.stopping import stop_event
from runtime.tracing import traces
from runtime.wiring import consuming_inventory, consuming_orders, consuming_payments, consuming_shipping
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE
from services.payments.service import PaymentService
from services.shipping.service import ShippingService
from twinsaga_bridges.backoff import Backoff

_SWITCH_S = 0.0005
"""Python's thread switch interval, in seconds. A message passes through five threads; at the default of 5 ms each of
them may wait that long for a computing thread."""


def _payments(settings: Settings) -> ConsumingService[PaymentService]:
    expiry = timedelta(seconds=settings.pix_expiry_seconds)
    return consuming_payments(settings, pix_expiry=expiry, seal=payment_seal(settings))


def _shipping(settings: Settings) -> ConsumingService[ShippingService]:
    return consuming_shipping(settings, seal=shipping_seal(settings))


_OPENERS: Mapping[str, Callable[[Settings], ConsumingService[Any]]] = {
    ORDER_SERVICE: consuming_orders,
    PAYMENT_SERVICE: _payments,
    INVENTORY_SERVICE: consuming_inventory,
    SHIPPING_SERVICE: _shipping,
}


def main(settings: Settings, name: str) -> None:
    """Run one service of the choreography until SIGTERM; current messages are finished and committed."""
    stop = stop_event()
    with traces(name):
        _serve(settings, name, stop)


def _serve(settings: Settings, name: str, stop: threading.Event) -> None:
    sys.setswitchinterval(_SWITCH_S)
    joined = threading.Event()
    consuming = _OPENERS[name](settings)
    connection = kafka_connection(settings)
    timing = ServiceTiming(
        attempts=settings.parked_attempts,
        backoff=Backoff(first_s=settings.parked_first_delay_seconds, longest_s=settings.parked_longest_delay_seconds),
    )
    threading.Thread(target=_announce, args=(settings, joined), daemon=True).start()
    metrics = service_metrics(consuming, GroupLag(connection, name, topics_read_by(name)))
    service = choreographed_service(
        measured_consumer(consuming),
        connection,
        timing,
        installation=settings.installation,
        sweep_every_s=settings.expiry_sweep_seconds,
    )
    try:
        with metrics_served(settings, metrics):
            service.run(stop, joined)
    finally:
        consuming.close()


def _announce(settings: Settings, joined: threading.Event) -> None:
    joined.wait()
    announce_ready(settings)
