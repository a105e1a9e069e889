"""An order's timeline as server-sent events: WHATWG HTML, section 9.2."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.live_orders import LiveOrder, LiveOrders
from domain.ids import OrderId

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "Vary": "Accept", "X-Accel-Buffering": "no"}
COME_BACK_AFTER_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Seconds. After `whole` a stream ends, whatever it waits for; its reader comes back and misses nothing."""

    heartbeat: float = 10.0
    whole: float = 600.0


def wants_stream(accept: str | None) -> bool:
    ranges = (each.partition(";")[0].strip().lower() for each in (accept or "").split(","))
    return MEDIA_TYPE in ranges


class EventStream(StreamingResponse):
    """Leaves a reader that takes nothing in: it would keep the stream from ever looking at its own end."""

    media_type = MEDIA_TYPE

    def __init__(self, messages: AsyncIterator[str], within_s: float) -> None:
        super().__init__(messages, headers=HEADERS)
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._within_s):
                await super().__call__(scope, receive, send)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What one stream sends: every event behind `place`, and with `state` also the order whenever it changed."""

    live: LiveOrders
    order_id: OrderId
    order: LiveOrder
    place: int
    state: bool
    durations: Durations

    def response(self) -> StreamingResponse:
        return EventStream(self._messages(), self.durations.whole + 2 * self.durations.heartbeat)

    async def _messages(self) -> AsyncIterator[str]:
        yield f"retry: {COME_BACK_AFTER_MS}\n\n"
        async with self.live.watched(self.order_id, self.order) as watched:
            if watched:
                async for message in self._told():
                    yield message

    async def _told(self) -> AsyncIterator[str]:
        clock = asyncio.get_running_loop().time
        end = clock() + self.durations.whole
        place, shown = self.place, None
        while True:
            view, told = self.order.view, self.order.told
            while place < len(told):
                place += 1
                yield _message(told[place - 1].model_dump_json(), event_id=told[place - 1].event_id)
            if self.state and view != shown:
                shown = view
                yield _message(view.model_dump_json(), event="order")
            if view is not self.order.view or place < len(told):
                continue  # more came while the caller took its time to read
            if self.order.over or self.live.closed or clock() >= end:
                return
            if not await self.order.change(min(self.durations.heartbeat, end - clock())):
                yield ": heartbeat\n\n"


def _message(data: str, *, event_id: str | None = None, event: str | None = None) -> str:
    """`data` is JSON on one line."""
    lines = [f"event: {event}"] if event else []
    lines += [f"id: {event_id}"] if event_id else []
    return "\n".join([*lines, f"data: {data}", "", ""])
