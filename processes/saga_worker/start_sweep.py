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

EVERY_S = 1.0
OLDER_THAN = timedelta(seconds=5)
"""A started saga has created its order by then."""

AT_ONCE = 200
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""Between two checks of one order. When a thousand orders queue, a check of each per second would load Temporal so much
that the orders themselves were delayed."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """When an order is checked next, in seconds of the monotonic clock, and the pause before it."""

    at: float
    pause_s: float

    def next(self) -> "Check":
        pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        return Check(time.monotonic() + pause_s, pause_s)


async def sweep(client: Client, orders: OrderService, settings: Settings) -> None:
    """Run until cancelled. Faults are logged; the next round tries again."""
    checks: dict[OrderId, Check] = {}
    while True:
        try:
            await _start_forgotten(client, orders, settings, checks)
        except (Fault, RPCError) as fault:
            log.warning("forgotten orders could not be started", error=str(fault))
        await asyncio.sleep(EVERY_S)


async def _start_forgotten(
    client: Client, orders: OrderService, settings: Settings, checks: dict[OrderId, Check]
) -> None:
    forgotten = await asyncio.to_thread(orders.never_created, SagaStyle.ORCHESTRATED, utc_now() - OLDER_THAN, AT_ONCE)
    for gone in checks.keys() - {record.request.order_id for record in forgotten}:
        del checks[gone]
    for record in forgotten:
        check = checks.setdefault(record.request.order_id, _first_check())
        if check.at > time.monotonic():
            continue
        saga = await start_saga(client, record.request, settings)
        if (await saga.describe(rpc_timeout=RPC_DEADLINE)).status is not WorkflowExecutionStatus.RUNNING:
            await asyncio.to_thread(_cancel, orders, record)
        checks[record.request.order_id] = check.next()


def _first_check() -> Check:
    return Check(time.monotonic(), FIRST_PAUSE_S / 2)


def _cancel(orders: OrderService, record: OrderRecord) -> None:
    """The order's saga was terminated before its first step, so no step has an effect to undo."""
    orders.cancel(CancelOrder(order_id=record.request.order_id, reason=Reason.TIMED_OUT))
    log.warning("cancelled an order whose saga was terminated", order_id=record.request.order_id)
