"""`Prefer: wait=SECONDS` (RFC 7240): the response to a placed order comes at its end, at the latest after that time."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Header, Request

from api.live_orders import LiveOrder, LiveOrders
from api.problems import EngineAway
from api.schemas.order_views import OrderView
from domain.ids import OrderId
from messaging.errors import Fault

LONGEST_WAIT_S = 30
DISCONNECT_CHECK_S = 0.5

_WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)


async def _seconds(
    prefer: Annotated[
        list[str] | None,
        Header(
            description="`wait=5`: wait up to 5 seconds, at most 30, for the end of the order. If it has come, the "
            "response is a 200 with the outcome instead of the 202.",
            examples=["wait=5"],
        ),
    ] = None,
) -> int | None:
    """The first `wait` counts; a malformed one is ignored, as is every other preference."""
    preferences = (each.partition(";")[0].strip() for each in ",".join(prefer or ()).split(","))
    found = next(filter(None, map(_WAIT.fullmatch, preferences)), None)
    return min(int(found[1]), LONGEST_WAIT_S) if found else None


WaitSeconds = Annotated[int | None, Depends(_seconds)]


async def ends_of(order_ids: Sequence[OrderId], wait_s: float, request: Request) -> Sequence[OrderView] | None:
    """Wait until all orders are finished, the time is over, or the client has gone. Return the orders as they are then.

    None: the orders cannot be watched now. They are placed, so this is no reason to fail the request.
    """
    live: LiveOrders = request.app.state.live_orders
    try:
        orders = [await live.find(order_id) for order_id in order_ids]
    except (EngineAway, Fault):
        return None
    waits = (_await_end(live, *pair, request) for pair in zip(order_ids, orders, strict=True))
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await asyncio.gather(*waits)
    return [order.view for order in orders]


async def _await_end(live: LiveOrders, order_id: OrderId, order: LiveOrder, request: Request) -> None:
    async with live.watched(order_id, order) as watched:
        while watched and not (order.over or live.closed or await request.is_disconnected()):
            await order.change(DISCONNECT_CHECK_S)
