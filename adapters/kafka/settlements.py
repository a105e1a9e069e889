"""Lets the Payment service hear the gateway, which speaks CloudEvents but knows nothing of our keys and our tags."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from adapters.kafka.cloudevents import type_header
from adapters.kafka.message import Deciding, IncomingMessage
from adapters.kafka.topics import SETTLED, SETTLEMENTS


class SettlementsHeard:
    """Passes every message on, those of the gateway as if one of us had said it."""

    def __init__(self, others: Deciding) -> None:
        self._others = others

    @property
    def seconds_until_next(self) -> float:
        return self._others.seconds_until_next

    def decide(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        return self._others.decide([as_ours(each) if each.topic == SETTLEMENTS else each for each in messages])

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None:
        self._others.retry_due(partitions)

    def check(self) -> None:
        self._others.check()


def as_ours(message: IncomingMessage) -> IncomingMessage:
    """Add what our events have beside `{order_id}`. What is no settlement stays as it is, and is buried as it came."""
    order_id = _order_id(message.value)
    if order_id is None or type_header(message.headers) != SETTLED:
        return message
    headers = dict(message.headers)
    headers.setdefault("ce_time", datetime.fromtimestamp(message.timestamp_ms / 1000, UTC).isoformat().encode())
    value = json.dumps({"order_id": order_id, "type": SETTLED}).encode()
    return replace(message, key=order_id.encode(), value=value, headers=tuple(headers.items()))


def _order_id(value: bytes | None) -> str | None:
    try:
        told = json.loads(value or b"")
    except ValueError:
        return None
    order_id = told.get("order_id") if isinstance(told, dict) else None
    return order_id if isinstance(order_id, str) else None
