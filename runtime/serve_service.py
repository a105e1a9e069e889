"""`twinsaga serve order-service` and its three sisters."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from adapters.kafka.backoff import Backoff
from adapters.kafka.connection import KafkaConnection
from runtime.choreographed_service import ChoreographedService, Patience
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import stop_event
from runtime.wiring import (
    INVENTORY_SERVICE,
    ORDER_SERVICE,
    PAYMENT_SERVICE,
    SHIPPING_SERVICE,
    ConsumingService,
    consuming_inventory,
    consuming_orders,
    consuming_payments,
    consuming_shipping,
)

_OPENERS: Mapping[str, Callable[[Settings], ConsumingService[Any]]] = {
    ORDER_SERVICE: consuming_orders,
    PAYMENT_SERVICE: consuming_payments,
    INVENTORY_SERVICE: consuming_inventory,
    SHIPPING_SERVICE: consuming_shipping,
}


def main(settings: Settings, name: str) -> None:
    """Run one service of the choreography until SIGTERM; what is in hand is finished and committed."""
    stop, joined = stop_event(), threading.Event()
    consuming = _OPENERS[name](settings)
    connection = KafkaConnection(
        bootstrap=settings.kafka_bootstrap,
        session_timeout_ms=settings.session_timeout_ms,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
    )
    patience = Patience(
        attempts=settings.parked_attempts,
        backoff=Backoff(first_s=settings.parked_first_delay_seconds, longest_s=settings.parked_longest_delay_seconds),
        sweep_every_s=settings.expiry_sweep_seconds,
    )
    threading.Thread(target=_announce, args=(settings, joined), daemon=True).start()
    try:
        ChoreographedService(consuming, connection, patience).run(stop, joined)
    finally:
        consuming.close()


def _announce(settings: Settings, joined: threading.Event) -> None:
    joined.wait()
    announce_ready(settings)
