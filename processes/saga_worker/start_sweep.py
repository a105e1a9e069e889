"""Starts the sagas of placed orders that have none: the API died before the start, or Temporal was away."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from twinsaga_bridges.backoff import Backoff

AT_ONCE = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTimes:
    """`older_than`: a started saga has created its order by then.

    `pauses` lie between two checks of one order. When a thousand orders queue, one check of each per second would load
    Temporal so much that the orders themselves were delayed.
    """

    every_s: float = 1.0
    older_than: timedelta = timedelta(seconds=5)
    pauses: Backoff = field(default_factory=lambda: Backoff(first_s=5.0, longest_s=60.0))


Checks = dict[OrderId, tuple[float, Iterator[float]]]
"""When each order is checked next, in seconds of the monotonic clock, and the pauses after that check."""


async def sweep(client: Client, orders: OrderService, settings: Settings, times: SweepTimes | None = None) -> None:
    """Run until cancelled. Faults are logged; the next round tries again."""
    times = times or SweepTimes()
    checks: Checks = {}
    while True:
        try:
            await _start_forgotten(client, orders, settings, checks, times)
        except (Fault, RPCError) as fault:
            log.warning("forgotten orders could not be started", error=str(fault))
        await asyncio.sleep(times.every_s)


async def _start_forgotten(
    client: Client, orders: OrderService, settings: Settings, checks: Checks, times: SweepTimes
) -> None:
    placed_before = utc_now() - times.older_than
    forgotten = await asyncio.to_thread(orders.never_created, SagaStyle.ORCHESTRATED, placed_before, AT_ONCE)
    for gone in checks.keys() - {record.request.order_id for record in forgotten}:
        del checks[gone]
    for record in forgotten:
        order_id = record.request.order_id
        due_at, pauses = checks.setdefault(order_id, (time.monotonic(), times.pauses.jittered()))
        if due_at > time.monotonic():
            continue
        saga = await start_saga(client, record.request, settings)
        if (await saga.describe(rpc_timeout=RPC_DEADLINE)).status is not WorkflowExecutionStatus.RUNNING:
            await asyncio.to_thread(_cancel, orders, record)
        checks[order_id] = time.monotonic() + next(pauses), pauses


def _cancel(orders: OrderService, record: OrderRecord) -> None:
    """The order's saga was terminated before its first step, so no step has an effect to undo."""
    orders.cancel(CancelOrder(order_id=record.request.order_id, reason=Reason.TIMED_OUT))
    log.warning("cancelled an order whose saga was terminated", order_id=record.request.order_id)
