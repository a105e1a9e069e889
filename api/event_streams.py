"""The timeline of an order as server-sent events.

The format and the response class are FastAPI's (`fastapi.sse`). Its generator routes are not used, for three reasons:
such a route always answers with a stream, but this path also answers with JSON, 204, 404 and 503; its heartbeat keeps a
fixed interval, which tells nothing about the order; and it has no limit for a client that stops reading, which would
keep one of the few streams for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from api.live_orders import LiveOrder, LiveOrders
from domain.ids import OrderId

MEDIA_TYPE = EventSourceResponse.media_type
HEADERS = {"Cache-Control": "no-store", "Vary": "Accept", "X-Accel-Buffering": "no"}
RECONNECT_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Seconds. A stream ends after `whole` at the latest; its client reconnects and misses nothing."""

    heartbeat: float = 10.0
    whole: float = 600.0


def accepts_stream(accept: str | None) -> bool:
    ranges = (each.partition(";")[0].strip().lower() for each in (accept or "").split(","))
    return MEDIA_TYPE in ranges


class BoundedStream(EventSourceResponse):
    """Ends after `within_s`, also if the client does not read: its generator then never runs, so cannot end itself."""

    def __init__(self, messages: AsyncIterator[bytes], within_s: float) -> None:
        super().__init__(messages, headers=HEADERS)
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._within_s):
                await super().__call__(scope, receive, send)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineStream:
    """One stream: every event behind `position`, and with `state` also the order, whenever it changed.

    It ends when its caller is no longer admitted, before it sends anything more.
    """

    live: LiveOrders
    order_id: OrderId
    order: LiveOrder
    position: int
    state: bool
    durations: Durations
    is_still_admitted: Callable[[], Awaitable[bool]]

    def response(self) -> BoundedStream:
        return BoundedStream(self._messages(), self.durations.whole + 2 * self.durations.heartbeat)

    async def _messages(self) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=RECONNECT_MS)
        async with self.live.watched(self.order_id, self.order) as watched:
            if watched:
                async for message in self._changes():
                    yield message

    async def _changes(self) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        end = clock() + self.durations.whole
        position, sent_view = self.position, None
        while await self.is_still_admitted():
            view, events = self.order.view, self.order.events
            while position < len(events):
                event = events[position]
                position += 1
                yield format_sse_event(data_str=event.model_dump_json(), id=event.event_id)
            if self.state and view != sent_view:
                sent_view = view
                yield format_sse_event(data_str=view.model_dump_json(), event="order")
            if view is not self.order.view or position < len(events):
                continue  # more arrived while the client was reading
            if self.order.over or self.live.closed or clock() >= end:
                return
            if not await self.order.change(min(self.durations.heartbeat, end - clock())):
                yield format_sse_event(comment="heartbeat")
