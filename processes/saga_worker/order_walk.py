import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from domain.ids import OrderId
from twinsaga_bridges.backoff import Backoff

T = TypeVar("T")


class OrderWalk(Generic[T]):
    """Walks over some orders again and again, a page a round.

    `pauses` lie between two checks of the same order, and grow. `page`: how many orders a round looks at.
    """

    def __init__(self, id_of: Callable[[T], OrderId], pauses: Backoff, page: int) -> None:
        self._id_of = id_of
        self._pauses = pauses
        self._page = page
        self._last: T | None = None
        # When each order is checked next, in seconds of the monotonic clock, and the pauses after that check.
        self._checks: dict[OrderId, tuple[float, Iterator[float]]] = {}
        self._seen: set[OrderId] = set()

    def due(self, read: Callable[[T | None, int], Sequence[T]]) -> Sequence[T]:
        """Return the orders of the next page whose check is due. Their next check is then due after a pause.

        `read` gets the last order of the preceding page, or None for the first page, and the size of a page.
        """
        page = read(self._last, self._page)
        self._seen |= set(map(self._id_of, page))
        due = [order for order in page if self._is_due(self._id_of(order))]
        if len(page) == self._page:
            self._last = page[-1]
        else:
            # The walk is over: forget the orders that it no longer found.
            self._checks = {order_id: check for order_id, check in self._checks.items() if order_id in self._seen}
            self._last, self._seen = None, set()
        return due

    def _is_due(self, order_id: OrderId) -> bool:
        now = time.monotonic()
        due_at, pauses = self._checks.get(order_id) or (now, self._pauses.jittered())
        if due_at > now:
            return False
        self._checks[order_id] = now + next(pauses), pauses
        return True
