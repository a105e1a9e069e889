"""Lets a service hear of the dead letters of others, by reading their topics in its own group.

Nothing is written twice for it: the dead letter itself is the message, and its offset is committed after it was heard.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self
from uuid import UUID

from adapters.kafka.dead_letters import PREFIX
from adapters.kafka.message import Deciding, IncomingMessage
from adapters.kafka.topics import is_dead_letters
from domain.ids import OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`group` gave the message up after `attempts`; `error` is the class and the message of what it raised last."""

    order_id: OrderId
    event_type: str
    group: str
    attempts: str
    error: str
    value: bytes | None

    @classmethod
    def from_message(cls, message: IncomingMessage) -> Self | None:
        """None for what belongs to no order or does not tell its story."""
        told = {name: value.decode(errors="replace") for name, value in message.headers}
        order_id = _order_id(message.key)
        if order_id is None or not told.keys() >= _STORY:
            return None
        return cls(
            order_id=order_id,
            event_type=told.get("ce_type", "message"),
            group=told[f"{PREFIX}group"],
            attempts=told[f"{PREFIX}attempts"],
            error=_error(told),
            value=message.value,
        )


_STORY = {f"{PREFIX}{name}" for name in ("group", "attempts", "error", "message")}


class DeadLettersHeard:
    """Dead letters are told to `hear`; every other message is for `others`."""

    def __init__(self, others: Deciding, hear: Callable[[DeadLetter], None]) -> None:
        self._others = others
        self._hear = hear

    @property
    def seconds_until_next(self) -> float:
        return self._others.seconds_until_next

    def decide(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        for dead, same in groupby(messages, key=lambda message: is_dead_letters(message.topic)):
            some = list(same)
            yield from self._heard(some) if dead else self._others.decide(some)

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None:
        self._others.retry_due(partitions)

    def check(self) -> None:
        self._others.check()

    def _heard(self, messages: Iterable[IncomingMessage]) -> Iterator[IncomingMessage]:
        for message in messages:
            letter = DeadLetter.from_message(message)
            if letter is not None:
                self._hear(letter)
            yield message


def _order_id(key: bytes | None) -> OrderId | None:
    try:
        return OrderId(str(UUID((key or b"").decode())))
    except ValueError:
        return None


def _error(told: Mapping[str, str]) -> str:
    return f"{told[f'{PREFIX}error']}: {told[f'{PREFIX}message']}"
