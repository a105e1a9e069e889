"""Orders with open streams. One task per order reads it periodically, for all of its streams."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from api.problems import EngineAway
from api.schemas.order_views import OrderView, TimelineEvent
from domain.ids import OrderId

log = structlog.get_logger()

STREAMS = 64
KEPT = 256
"""Orders kept in memory, most of them without a stream: a client that reconnects continues exactly where it stopped."""
CONCURRENT_READS = 2


@dataclass(frozen=True, slots=True)
class Snapshot:
    view: OrderView
    events: Sequence[TimelineEvent]


ReadOrder = Callable[[OrderId], Awaitable[Snapshot]]
"""Raises UnknownOrder, or a Fault when a database is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two reads: `quick` until nothing changed for `quick_for`, then `slow`."""

    quick: float = 0.2
    slow: float = 1.0
    quick_for: float = 5.0


class LiveOrder:
    """`events` only grows, in the order in which they were first read: a late event never changes a position."""

    def __init__(self, first: Snapshot) -> None:
        self.events: list[TimelineEvent] = []
        self.view = first.view
        self.streams = 0
        self.reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.add(first)

    @property
    def over(self) -> bool:
        """Whether the last event is known: the view was read before the events, so they contain the last one."""
        return self.view.finished_at is not None

    def add(self, snapshot: Snapshot) -> bool:
        """Return whether anything is new."""
        known = {event.event_id for event in self.events}
        new = [event for event in snapshot.events if event.event_id not in known]
        if not new and snapshot.view == self.view:
            return False
        self.events += new
        self.view = snapshot.view
        self.wake()
        return True

    def wake(self) -> None:
        """Wake every stream that waits for a change."""
        awaited, self._changed = self._changed, asyncio.Event()
        awaited.set()

    def position_after(self, event_id: str | None) -> int:
        """The position behind this event; the beginning if the event is unknown."""
        return next((position for position, event in enumerate(self.events, 1) if event.event_id == event_id), 0)

    async def change(self, within_s: float) -> bool:
        """Wait for a change. False if there was none within the time."""
        changed = self._changed
        try:
            async with asyncio.timeout(within_s):
                await changed.wait()
        except TimeoutError:
            return False
        return True


class LiveOrders:
    """`streams`: how many may be open at the same time."""

    def __init__(self, read: ReadOrder, *, streams: int = STREAMS, pace: Pace | None = None) -> None:
        self._read = read
        self._free = streams
        self._pace = pace or Pace()
        self._orders: OrderedDict[OrderId, LiveOrder] = OrderedDict()
        self._reads = asyncio.Semaphore(CONCURRENT_READS)
        self.closed = False

    async def find(self, order_id: OrderId) -> LiveOrder:
        """Read the order now. Raises UnknownOrder, or EngineAway: the maximum number of streams is open."""
        if self._free <= 0 or self.closed:
            raise EngineAway("too many timeline streams are open; try again", headers={"Retry-After": "5"})
        snapshot = await self._snapshot(order_id)
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = LiveOrder(snapshot)
        else:
            order.add(snapshot)
        self._orders.move_to_end(order_id)
        self._drop_oldest()
        return order

    @asynccontextmanager
    async def watched(self, order_id: OrderId, order: LiveOrder) -> AsyncIterator[bool]:
        """Keep the order up to date within the block. Yields False if no stream is free any more."""
        if self._free <= 0 or self.closed:
            yield False
            return
        self._free -= 1
        order.streams += 1
        if order.reading is None and not order.over:
            order.reading = asyncio.create_task(self._read_periodically(order_id, order))
        try:
            yield True
        finally:
            self._free += 1
            order.streams -= 1
            if order.streams == 0 and order.reading is not None:
                order.reading.cancel()
                order.reading = None

    def close(self) -> None:
        """End every stream: a server that stops would otherwise wait for them."""
        self.closed = True
        for order in self._orders.values():
            order.wake()

    async def _read_periodically(self, order_id: OrderId, order: LiveOrder) -> None:
        clock = asyncio.get_running_loop().time
        changed_at = clock()
        while not order.over and not self.closed:
            await asyncio.sleep(self._pace.quick if clock() - changed_at < self._pace.quick_for else self._pace.slow)
            try:
                changed = order.add(await self._snapshot(order_id))
            except Exception as error:  # noqa: BLE001 - the next read may succeed, and streams end after a time
                log.warning("order of an open stream could not be read", order_id=order_id, error=repr(error))
                changed = False
            changed_at = clock() if changed else changed_at

    async def _snapshot(self, order_id: OrderId) -> Snapshot:
        async with self._reads:
            return await self._read(order_id)

    def _drop_oldest(self) -> None:
        for order_id in [order_id for order_id, order in self._orders.items() if not order.streams]:
            if len(self._orders) <= KEPT:
                return
            del self._orders[order_id]
