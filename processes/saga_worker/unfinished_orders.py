import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.ids import OrderId
from domain.order import SagaStyle
from services.orders.service import OrderService
from services.orders.store import OrderRecord, UnfinishedOrders
from twinsaga_bridges.backoff import Backoff


class UnfinishedOrderWalk:
    """Walks over the unfinished orders of one style again and again, a page a round, the oldest first.

    `pauses` lie between two checks of the same order, and grow. `page`: how many orders a round looks at.
    """

    def __init__(self, orders: OrderService, style: SagaStyle, pauses: Backoff, page: int) -> None:
        self._orders = orders
        self._style = style
        self._pauses = pauses
        self._page = page
        self._after: tuple[datetime, OrderId] | None = None
        # When each order is checked next, in seconds of the monotonic clock, and the pauses after that check.
        self._checks: dict[OrderId, tuple[float, Iterator[float]]] = {}
        self._seen: set[OrderId] = set()

    def due(self, placed_before: datetime) -> Sequence[OrderRecord]:
        """Return the orders of the next page whose check is due. Their next check is then due after a pause."""
        wanted = UnfinishedOrders(style=self._style, placed_before=placed_before, limit=self._page, after=self._after)
        page = self._orders.unfinished(wanted)
        self._seen |= {record.request.order_id for record in page}
        due = [record for record in page if self._is_due(record.request.order_id)]
        if len(page) == self._page:
            self._after = page[-1].placed_at, page[-1].request.order_id
        else:
            # The walk is over: forget the orders that it no longer found.
            self._checks = {order_id: check for order_id, check in self._checks.items() if order_id in self._seen}
            self._after, self._seen = None, set()
        return due

    def _is_due(self, order_id: OrderId) -> bool:
        now = time.monotonic()
        due_at, pauses = self._checks.get(order_id) or (now, self._pauses.jittered())
        if due_at > now:
            return False
        self._checks[order_id] = now + next(pauses), pauses
        return True
