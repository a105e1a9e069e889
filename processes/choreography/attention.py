"""An order whose undo ended among the dead letters needs an operator, and shows it."""

from collections.abc import Callable
from contextlib import suppress

from adapters.kafka.dead_letter_listener import DeadLetter
from adapters.sql.unit_of_work import MessageContext
from choreography.routing import GIVEN_UP_NEEDS_ATTENTION
from domain.errors import UnknownOrder
from services.orders.service import OrderService


def attention_to_dead_letters(
    orders_for: Callable[[MessageContext | None], OrderService],
) -> Callable[[DeadLetter], None]:
    orders = orders_for(None)

    def hear(letter: DeadLetter) -> None:
        if letter.event_type in GIVEN_UP_NEEDS_ATTENTION.get(letter.group, ()):
            with suppress(UnknownOrder):
                orders.set_attention(letter.order_id, _why(letter))

    return hear


def _why(letter: DeadLetter) -> str:
    return f"{letter.group} gave up on {letter.event_type} after {letter.attempts} attempts: {letter.error}"
