from collections.abc import Sequence
from typing import Protocol

from domain.events import Event


class AskedAhead(Protocol):
    """Does for many events at once, and ahead of their transaction, what takes long in reacting to one."""

    def ask(self, events: Sequence[Event]) -> int:
        """Return how many of the first of them are ready to be handled in a transaction."""
        ...

    def forget(self) -> None:
        """Drop what nobody took."""
        ...


class NothingTakesLong:
    def ask(self, events: Sequence[Event]) -> int:
        return len(events)

    def forget(self) -> None:
        """There is nothing."""
