"""Orders that somebody watches. Each is read again and again by one task, however many streams show it."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from api.problems import EngineAway
from api.schemas.order_views import OrderView, TimelineEvent
from domain.ids import OrderId

log = structlog.get_logger()

STREAMS = 64
KEPT = 256
"""Orders whose telling is remembered. Most have no stream any more; one that comes back goes on exactly there."""
LOOKS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Look:
    view: OrderView
    events: Sequence[TimelineEvent]


class LookAt(Protocol):
    def __call__(self, order_id: OrderId, /) -> Awaitable[Look]:
        """Raises UnknownOrder, or a Fault when a database is away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two looks: `quick` until nothing was new for `quick_for`, then `slow`."""

    quick: float = 0.2
    slow: float = 1.0
    quick_for: float = 5.0


class LiveOrder:
    """`told` only grows: an event is told when it is first seen, whatever its time says of its place."""

    def __init__(self, first: Look) -> None:
        self.told: list[TimelineEvent] = []
        self.view = first.view
        self.streams = 0
        self.reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.take_in(first)

    @property
    def over(self) -> bool:
        """The view is older than the events beside it, so that the event by which it ended is among them."""
        return self.view.finished_at is not None

    def take_in(self, look: Look) -> bool:
        """Return whether anything is new."""
        known = {event.event_id for event in self.told}
        unseen = [event for event in look.events if event.event_id not in known]
        if not unseen and look.view == self.view:
            return False
        self.told += unseen
        self.view = look.view
        self.wake()
        return True

    def wake(self) -> None:
        awaited, self._changed = self._changed, asyncio.Event()
        awaited.set()

    def place_after(self, event_id: str | None) -> int:
        """Where the telling goes on behind this event. One that was never told is behind nothing."""
        return next((place for place, event in enumerate(self.told, 1) if event.event_id == event_id), 0)

    async def change(self, within_s: float) -> bool:
        changed = self._changed
        try:
            async with asyncio.timeout(within_s):
                await changed.wait()
        except TimeoutError:
            return False
        return True


class LiveOrders:
    def __init__(self, look_at: LookAt, *, streams: int = STREAMS, pace: Pace | None = None) -> None:
        self._look_at = look_at
        self._free = streams
        self._pace = pace or Pace()
        self._orders: OrderedDict[OrderId, LiveOrder] = OrderedDict()
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)
        self.closed = False

    async def find(self, order_id: OrderId) -> LiveOrder:
        """Look at the order now.

        Raises:
            UnknownOrder: there is none.
            EngineAway: as many streams as may be are open.
        """
        if self._free <= 0 or self.closed:
            raise EngineAway("too many timelines are watched here; try again", headers={"Retry-After": "5"})
        look = await self._look(order_id)
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = LiveOrder(look)
        else:
            order.take_in(look)
        self._orders.move_to_end(order_id)
        self._forget_the_oldest()
        return order

    @asynccontextmanager
    async def watched(self, order_id: OrderId, order: LiveOrder) -> AsyncIterator[bool]:
        """Keep the order up to date for the block. False if another stream took the last place meanwhile."""
        if self._free <= 0 or self.closed:
            yield False
            return
        self._free -= 1
        order.streams += 1
        if order.reading is None and not order.over:
            order.reading = asyncio.create_task(self._read_again(order_id, order))
        try:
            yield True
        finally:
            self._free += 1
            order.streams -= 1
            if order.streams == 0 and order.reading is not None:
                order.reading.cancel()
                order.reading = None

    def close(self) -> None:
        """End every stream, so that the server need not wait for them when it stops."""
        self.closed = True
        for order in self._orders.values():
            order.wake()

    async def _read_again(self, order_id: OrderId, order: LiveOrder) -> None:
        clock = asyncio.get_running_loop().time
        news_at = clock()
        while not order.over and not self.closed:
            await asyncio.sleep(self._pace.quick if clock() - news_at < self._pace.quick_for else self._pace.slow)
            try:
                new = order.take_in(await self._look(order_id))
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look may work, and streams have an end
                log.warning("a watched order could not be read", order_id=order_id, error=repr(error))
                new = False
            news_at = clock() if new else news_at

    async def _look(self, order_id: OrderId) -> Look:
        async with self._looks:
            return await self._look_at(order_id)

    def _forget_the_oldest(self) -> None:
        for order_id in [order_id for order_id, order in self._orders.items() if not order.streams]:
            if len(self._orders) <= KEPT:
                return
            del self._orders[order_id]
