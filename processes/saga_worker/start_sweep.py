"""Starts the sagas of orders that were placed and then forgotten, by an API that died or a Temporal that was away."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from adapters.clock import utc_now
from domain.commands import CancelOrder
from domain.errors import Fault
from domain.ids import OrderId
from domain.order import Reason, SagaStyle
from runtime.settings import Settings
from runtime.temporal import RPC_DEADLINE, start_saga
from services.orders.service import OrderService
from services.orders.store import OrderRecord

AT_ONCE = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTimes:
    """`older_than`: a saga that is placed and started has created its order by then.

    The pauses lie between two looks at one order, and double. Where a thousand orders wait for their turn, looking at
    each every second would keep Temporal from the orders themselves.
    """

    every_s: float = 1.0
    older_than: timedelta = timedelta(seconds=5)
    first_pause_s: float = 5.0
    longest_pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """When an order is looked at again, in seconds of the monotonic clock, and the length of the pause before that."""

    at: float
    next_pause_s: float

    def next(self, times: SweepTimes) -> "Look":
        pause_s = min(self.next_pause_s, times.longest_pause_s)
        return Look(time.monotonic() + pause_s, 2 * pause_s)


async def sweep(client: Client, orders: OrderService, settings: Settings, times: SweepTimes | None = None) -> None:
    """Run until cancelled. A fault is only reported: a later look tries again."""
    times = times or SweepTimes()
    looks: dict[OrderId, Look] = {}
    while True:
        try:
            await _start_forgotten(client, orders, settings, looks, times)
        except (Fault, RPCError) as fault:
            log.warning("forgotten orders could not be started", error=str(fault))
        await asyncio.sleep(times.every_s)


async def _start_forgotten(
    client: Client, orders: OrderService, settings: Settings, looks: dict[OrderId, Look], times: SweepTimes
) -> None:
    placed_before = utc_now() - times.older_than
    forgotten = await asyncio.to_thread(orders.never_created, SagaStyle.ORCHESTRATED, placed_before, AT_ONCE)
    for gone in looks.keys() - {record.request.order_id for record in forgotten}:
        del looks[gone]
    for record in forgotten:
        look = looks.setdefault(record.request.order_id, Look(time.monotonic(), times.first_pause_s))
        if look.at > time.monotonic():
            continue
        saga = await start_saga(client, record.request, settings)
        if (await saga.describe(rpc_timeout=RPC_DEADLINE)).status is not WorkflowExecutionStatus.RUNNING:
            await asyncio.to_thread(_end, orders, record)
        looks[record.request.order_id] = look.next(times)


def _end(orders: OrderService, record: OrderRecord) -> None:
    """Nobody will go on with an order whose saga somebody terminated, and as it was never created it has no effect."""
    orders.cancel(CancelOrder(order_id=record.request.order_id, reason=Reason.TIMED_OUT))
    log.warning("cancelled an order whose saga was terminated", order_id=record.request.order_id)
