"""One service of the choreography: what the order saga adds to a choreographed service."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from adapters.clock import utc_now
from adapters.settlements import decode_settlement
from choreography.routing import GIVEN_UP_NEEDS_ATTENTION, OUT_OF_ATTEMPTS, ROUTING
from domain.commands import FailedCompensation, ShowAttention
from domain.errors import UnknownOrder
from domain.ids import OrderId
from domain.order import Reason, Step
from messaging.kafka.choreographed_service import ChoreographedService, Policies, ServiceTiming
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letters import DeadLetter
from messaging.sql.consuming import ConsumingService
from messaging.unit_of_work import Clock
from messaging.vocabulary import UndecodableEvent
from processes.choreography.pix_expiry import PixExpiry
from services.names import ORDER_SERVICE, PAYMENT_SERVICE
from services.orders.service import OrderService
from services.vocabulary import ORDER_EVENTS, SETTLEMENTS


def choreographed_service(
    consuming: ConsumingService[Any],
    connection: KafkaConnection,
    timing: ServiceTiming,
    clock: Clock = utc_now,
    *,
    installation: str = "",
    sweep_every_s: float = 1.0,
) -> ChoreographedService:
    """`sweep_every_s`: seconds between sweeps for expired payments."""
    beside: list[Callable[[threading.Event], None]] = []
    if consuming.name == PAYMENT_SERVICE:
        beside = [PixExpiry(consuming.service_for, sweep_every_s, consuming.inbox.trace_of).run]
    return ChoreographedService(
        consuming,
        policies_of(consuming.name),
        connection,
        timing,
        clock,
        installation=installation,
        beside=beside,
    )


def policies_of(name: str) -> Policies:
    """The Order service also reads the dead letters of all services."""
    return Policies(
        on=ROUTING[name],
        out_of_attempts=OUT_OF_ATTEMPTS.get(name, {}),
        on_dead_letter=_mark_order if name == ORDER_SERVICE else None,
        decoders={SETTLEMENTS: decode_settlement},
    )


def topics_read_by(name: str) -> Sequence[str]:
    return policies_of(name).topics(ORDER_EVENTS)


def _mark_order(letter: DeadLetter, orders: OrderService) -> None:
    """An order whose compensation became a dead letter needs an operator."""
    if letter.event_type in GIVEN_UP_NEEDS_ATTENTION.get(letter.group, ()):
        # Each of these events asks for the money back, so the compensation that failed is always the refund.
        failed = FailedCompensation(step=Step.REFUND_PAYMENT, error=letter.error, reason=_reason_in(letter))
        with suppress(UnknownOrder):
            orders.show_attention(ShowAttention(order_id=OrderId(letter.key), failed=failed))


def _reason_in(letter: DeadLetter) -> Reason | None:
    """`order.created` carries no reason: it asks for a refund only after its charge ran out of attempts."""
    try:
        event = ORDER_EVENTS.decode(letter.value or b"")
    except UndecodableEvent:
        return None
    return getattr(event, "reason", Reason.TIMED_OUT)
