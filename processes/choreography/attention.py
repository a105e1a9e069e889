"""Shows on the order that a compensation ended among the dead letters, so that an operator can retry it."""

from collections.abc import Callable
from contextlib import suppress

from adapters.codec import UndecodableEvent, decode_event
from adapters.kafka.dead_letter_listener import DeadLetter
from adapters.sql.unit_of_work import MessageContext
from choreography.routing import GIVEN_UP_NEEDS_ATTENTION
from domain.commands import FailedCompensation, ShowAttention
from domain.errors import UnknownOrder
from domain.order import Reason, Step
from services.orders.service import OrderService


def attention_to_dead_letters(
    orders_for: Callable[[MessageContext | None], OrderService],
) -> Callable[[DeadLetter], None]:
    orders = orders_for(None)

    def show_attention(letter: DeadLetter) -> None:
        if letter.event_type in GIVEN_UP_NEEDS_ATTENTION.get(letter.group, ()):
            # Each of these events asks for the money back, so the compensation that failed is always the refund.
            failed = FailedCompensation(step=Step.REFUND_PAYMENT, error=letter.error, reason=_reason(letter))
            with suppress(UnknownOrder):
                orders.show_attention(ShowAttention(order_id=letter.order_id, failed=failed))

    return show_attention


def _reason(letter: DeadLetter) -> Reason | None:
    """`order.created` carries no reason: it asks for a refund only after its charge ran out of attempts."""
    try:
        event = decode_event(letter.value or b"")
    except UndecodableEvent:
        return None
    return getattr(event, "reason", Reason.TIMED_OUT)
