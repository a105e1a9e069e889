"""The events that a workflow has handled, so that the same event again has no effect.

Temporal drops a signal whose request id it knows, but does not promise to: after a reset, or in the next run of a
workflow that continues as new, it does not. A workflow that must not handle an event twice keeps the ids itself:

    def __init__(self, invoice: Invoice) -> None:
        self._handled = HandledEvents(invoice.handled)

    @workflow.signal
    def paid(self, event_id: str, amount: int) -> None:
        if self._handled.add(event_id):
            self._paid += amount

    ...
    workflow.continue_as_new(Invoice(..., handled=self._handled.ids))

Imports nothing, so any workflow may import it.
"""

from collections.abc import Iterable

__all__ = ["HandledEvents"]

MAX_IDS = 1_000


class HandledEvents:
    """The newest `limit` ids. An event that is repeated after `limit` others counts as new.

    Args:
        ids: of an earlier run of the workflow, the oldest first.
        limit: must exceed the number of events between an event and its repetition. The ids are in the input of the
            next run, which may have 2 MB.
    """

    def __init__(self, ids: Iterable[str] = (), *, limit: int = MAX_IDS) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._ids: dict[str, None] = {}
        for each in ids:
            self.add(each)

    def add(self, event_id: str) -> bool:
        """Return True if the event is new, so that it must be handled; False if it was handled before."""
        if event_id in self._ids:
            return False
        self._ids[event_id] = None
        if len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]
        return True

    @property
    def ids(self) -> list[str]:
        """The ids, the oldest first, for the next run."""
        return list(self._ids)
