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

EVERY_S = 1.0
OLDER_THAN = timedelta(seconds=5)
"""A saga that is placed and started has created its order by then."""

AT_ONCE = 200
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""Between two looks at one order. Where a thousand orders wait for their turn, looking at each every second would keep
Temporal from the orders themselves."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """When an order is looked at again, in seconds of the monotonic clock, and how long that pause was."""

    at: float
    pause_s: float

    def next(self) -> "Look":
        pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        return Look(time.monotonic() + pause_s, pause_s)


async def sweep(client: Client, orders: OrderService, settings: Settings) -> None:
    """Run until cancelled. A fault is only reported: a later look tries again."""
    looks: dict[OrderId, Look] = {}
    while True:
        try:
            await _start_forgotten(client, orders, settings, looks)
        except (Fault, RPCError) as fault:
            log.warning("forgotten orders could not be started", error=str(fault))
        await asyncio.sleep(EVERY_S)


async def _start_forgotten(
    client: Client, orders: OrderService, settings: Settings, looks: dict[OrderId, Look]
) -> None:
    forgotten = await asyncio.to_thread(orders.never_created, SagaStyle.ORCHESTRATED, utc_now() - OLDER_THAN, AT_ONCE)
    for gone in looks.keys() - {record.request.order_id for record in forgotten}:
        del looks[gone]
    for record in forgotten:
        look = looks.setdefault(record.request.order_id, _first_look())
        if look.at > time.monotonic():
            continue
        saga = await start_saga(client, record.request, settings)
        if (await saga.describe(rpc_timeout=RPC_DEADLINE)).status is not WorkflowExecutionStatus.RUNNING:
            await asyncio.to_thread(_end, orders, record)
        looks[record.request.order_id] = look.next()


def _first_look() -> Look:
    return Look(time.monotonic(), FIRST_PAUSE_S / 2)


def _end(orders: OrderService, record: OrderRecord) -> None:
    """Nobody will go on with an order whose saga somebody terminated, and as it was never created it has no effect."""
    orders.cancel(CancelOrder(order_id=record.request.order_id, reason=Reason.TIMED_OUT))
    log.warning("cancelled an order whose saga was terminated", order_id=record.request.order_id)
