"""The record of what callers of the API did to orders and to the installation: who, what and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from domain.ids import OrderId

SHOWN: Final = 100
"""Actions of one order that an answer shows. A customer can repeat a refused one without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`key_id` and `key_name` say with which API key. `order_id`: None if it is about no order, or many.

    `detail`: what it was about, for example a SKU or the place of a dead letter. `error`: why it was
    refused, if it was.
    """

    at: datetime
    key_id: str
    key_name: str
    action: str
    order_id: OrderId | None = None
    detail: str | None = None
    error: str | None = None


class Actions(Protocol):
    """Every method blocks, and raises a Fault when the database is away."""

    def begin(self, action: Action) -> int:
        """Record the action before it is done, so that none goes unrecorded. Return its number."""
        ...

    def refused(self, number: int, error: str) -> None: ...

    def of_order(self, order_id: OrderId) -> Sequence[Action]:
        """Return the newest SHOWN actions on the order, the oldest first."""
        ...
