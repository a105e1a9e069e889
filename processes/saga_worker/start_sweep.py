"""Starts the sagas of placed orders that have none: the API died before the start, or Temporal was away."""

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
    """`older_than`: a started saga has created its order by then.

    The pauses, in seconds, lie between two checks of one order, and double. When a thousand orders queue, one check
    of each per second would load Temporal so much that the orders themselves were delayed.
    """

    every_s: float = 1.0
    older_than: timedelta = timedelta(seconds=5)
    first_pause_s: float = 5.0
    longest_pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """When an order is checked next, in seconds of the monotonic clock, and the pause after that check."""

    at: float
    next_pause_s: float

    def next(self, times: SweepTimes) -> "Check":
        pause_s = min(self.next_pause_s, times.longest_pause_s)
        return Check(time.monotonic() + pause_s, 2 * pause_s)


async def sweep(client: Client, orders: OrderService, settings: Settings, times: SweepTimes | None = None) -> None:
    """Run until cancelled. Faults are logged; the next round tries again."""
    times = times or SweepTimes()
    checks: dict[OrderId, Check] = {}
    while True:
        try:
            await _start_forgotten(client, orders, settings, checks, times)
        except (Fault, RPCError) as fault:
            log.warning("forgotten orders could not be started", error=str(fault))
        await asyncio.sleep(times.every_s)


async def _start_forgotten(
    client: Client, orders: OrderService, settings: Settings, checks: dict[OrderId, Check], times: SweepTimes
) -> None:
    placed_before = utc_now() - times.older_than
    forgotten = await asyncio.to_thread(orders.never_created, SagaStyle.ORCHESTRATED, placed_before, AT_ONCE)
    for gone in checks.keys() - {record.request.order_id for record in forgotten}:
        del checks[gone]
    for record in forgotten:
        check = checks.setdefault(record.request.order_id, Check(time.monotonic(), times.first_pause_s))
        if check.at > time.monotonic():
            continue
        saga = await start_saga(client, record.request, settings)
        if (await saga.describe(rpc_timeout=RPC_DEADLINE)).status is not WorkflowExecutionStatus.RUNNING:
            await asyncio.to_thread(_cancel, orders, record)
        checks[record.request.order_id] = check.next(times)


def _cancel(orders: OrderService, record: OrderRecord) -> None:
    """The order's saga was terminated before its first step, so no step has an effect to undo."""
    orders.cancel(CancelOrder(order_id=record.request.order_id, reason=Reason.TIMED_OUT))
    log.warning("cancelled an order whose saga was terminated", order_id=record.request.order_id)
