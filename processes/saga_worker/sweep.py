"""Looks after orders that do not move by themselves, in both styles.

- An orchestrated order without a saga is started: the API died before the start, or Temporal was away.
- An orchestrated order whose saga was terminated, failed, or is gone by retention needs a repair, which an operator
  requests: they may have had a reason to terminate it.
- The events of a silent choreographed order are published again: the topic's retention may have deleted one unread.
- A confirmed order whose pieces are still reserved is sold: Inventory alone may have lost the event, or the saga was
  terminated between the confirmation and the sale.
- What a service did for an order that the Order service does not have is undone: the event that caused it was forged.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from adapters.clock import utc_now
from adapters.sql.order_traces import continuing
from adapters.sql.unknown_orders import UnknownOrders
from domain.commands import CancelOrder, ReportLostSaga, SellInventory
from domain.ids import OrderId
from domain.order import Reason, SagaStyle, Step
from messaging.errors import Fault
from processes.saga_worker.order_walk import OrderWalk
from runtime.republish import publish_again
from runtime.settings import Settings
from runtime.temporal import saga_status, start_saga
from runtime.wiring import Services
from runtime.write_off import UNASKED_WITHIN, undo_unknown_order
from services.orders.store import OrderRecord, Stage, UnfinishedOrders
from services.payments.store import PaymentStatus
from services.shipping.store import ShipmentStatus
from twinsaga_bridges.backoff import Backoff
from workflows.order_saga import workflow_id

log = structlog.get_logger(__name__)


AWAY = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED}
SAGAS_A_ROUND = 200
EVENTS_A_ROUND = 20
"""Orders. Fewer, because a publication loads the services: they may only be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTimes:
    """How long to wait.

    `older_than`: a started saga has created its order by then. `silent_for`: more than any step of an order takes.
    `settled_for`: more than the transaction of any service takes.

    The pauses lie between two checks of one order. When a thousand orders queue, one check of each per second would
    load Temporal so much that the orders themselves were delayed; and while a service is down, its events would be
    published again and again.
    """

    every_s: float = 1.0
    older_than: timedelta = timedelta(seconds=5)
    pauses: Backoff = field(default_factory=lambda: Backoff(first_s=5.0, longest_s=20.0))
    silent_for: timedelta = timedelta(seconds=60)
    settled_for: timedelta = timedelta(seconds=10)
    pauses_between_publications: Backoff = field(default_factory=lambda: Backoff(first_s=60.0, longest_s=600.0))


async def sweep(client: Client, services: Services, settings: Settings, times: SweepTimes | None = None) -> None:
    """Run until cancelled. Faults are logged; the next round tries again."""
    times = times or SweepTimes()
    # Side by side, so that a Temporal that is away does not keep the choreographed orders waiting.
    async with asyncio.TaskGroup() as sweeps:
        sweeps.create_task(_sweep_sagas(client, services, settings, times))
        sweeps.create_task(_sweep_events(services, times))
        sweeps.create_task(_sweep_sales(services, times))
        sweeps.create_task(_sweep_unknown_orders(services, times))


async def _sweep_sagas(client: Client, services: Services, settings: Settings, times: SweepTimes) -> None:
    walk = OrderWalk(_id_of, times.pauses, SAGAS_A_ROUND)
    while True:
        with _logged():
            pages = _Unfinished(services, SagaStyle.ORCHESTRATED, utc_now() - times.older_than)
            for record in await asyncio.to_thread(walk.due, pages.after):
                with _logged(record.request.order_id):
                    await _look_after_saga(client, services, settings, record)
        await asyncio.sleep(times.every_s)


async def _sweep_events(services: Services, times: SweepTimes) -> None:
    walk = OrderWalk(_id_of, times.pauses_between_publications, EVENTS_A_ROUND)
    while True:
        with _logged():
            silent_since = utc_now() - times.silent_for
            pages = _Unfinished(services, SagaStyle.CHOREOGRAPHED, silent_since)
            for record in await asyncio.to_thread(walk.due, pages.after):
                with _logged(record.request.order_id):
                    await asyncio.to_thread(_look_after_events, services, record, silent_since)
        await asyncio.sleep(times.every_s)


async def _sweep_sales(services: Services, times: SweepTimes) -> None:
    walk = OrderWalk[OrderId](lambda order_id: order_id, times.pauses_between_publications, EVENTS_A_ROUND)
    while True:
        with _logged():
            # Few in a healthy system: the orders between their reservation and their sale.
            for order_id in await asyncio.to_thread(walk.due, services.inventory.unsold):
                with _logged(order_id):
                    await asyncio.to_thread(_look_after_sale, services, order_id, utc_now() - times.silent_for)
        await asyncio.sleep(times.every_s)


async def _sweep_unknown_orders(services: Services, times: SweepTimes) -> None:
    unknown = UnknownOrders(services.databases)
    walk = OrderWalk[OrderId](lambda order_id: order_id, times.pauses_between_publications, EVENTS_A_ROUND)
    while True:
        with _logged():
            now = utc_now()
            await asyncio.to_thread(unknown.look, since=now - UNASKED_WITHIN, settled_before=now - times.settled_for)
            for order_id in walk.due(unknown.after):
                with _logged(order_id):
                    await asyncio.to_thread(_undo_unknown_order, services, order_id)
        await asyncio.sleep(times.every_s)


def _id_of(record: OrderRecord) -> OrderId:
    return record.request.order_id


@dataclass(frozen=True, slots=True)
class _Unfinished:
    services: Services
    style: SagaStyle
    placed_before: datetime

    def after(self, last: OrderRecord | None, limit: int) -> Sequence[OrderRecord]:
        place = (last.placed_at, _id_of(last)) if last is not None else None
        wanted = UnfinishedOrders(style=self.style, placed_before=self.placed_before, limit=limit, after=place)
        return self.services.orders.unfinished(wanted)


@contextmanager
def _logged(order_id: OrderId | None = None) -> Iterator[None]:
    """Log a fault. With `order_id`, what may be about this order alone; an outage ends the round."""
    try:
        yield
    except (Fault, RPCError) as fault:
        if order_id is not None and (isinstance(fault, Fault) or fault.status in AWAY):
            raise
        log.warning("not all orders could be checked", order_id=order_id, error=str(fault))
    except Exception:
        if order_id is None:
            raise
        log.exception("an order could not be checked", order_id=order_id)


async def _look_after_saga(client: Client, services: Services, settings: Settings, record: OrderRecord) -> None:
    order_id = record.request.order_id
    if record.stage is Stage.REQUESTED:
        orders, style = services.databases.orders, SagaStyle.ORCHESTRATED
        with await asyncio.to_thread(continuing, orders, order_id, style, "start saga of the sweep"):
            await start_saga(client, record.request, settings)
    status = await saga_status(client, order_id)
    if status is WorkflowExecutionStatus.RUNNING:
        return
    what = f"has the status {status.name}" if status is not None else "is gone"
    # Read again: the saga may have finished the order since the record was read.
    record = await asyncio.to_thread(services.orders.find, order_id)
    if record.stage is Stage.REQUESTED:
        # Its saga ended before its first step, so no step has an effect to undo.
        await asyncio.to_thread(services.orders.cancel, CancelOrder(order_id=order_id, reason=Reason.TIMED_OUT))
        log.warning("cancelled an order whose saga ended before its first step", order_id=order_id, saga=what)
        return
    error = f"the workflow {workflow_id(order_id)} {what}; repair the order to continue it"
    lost = ReportLostSaga(order_id=order_id, step=await asyncio.to_thread(_step_due, services, record), error=error)
    if await asyncio.to_thread(services.orders.report_lost_saga, lost):
        log.warning("an order has lost its saga and needs a repair", order_id=order_id, saga=what)


def _step_due(services: Services, record: OrderRecord) -> Step:
    order_id = record.request.order_id
    payment, shipment = services.payments.find(order_id), services.shipping.find(order_id)
    if record.reason is not None:
        return Step.CANCEL_ORDER
    if payment is None or payment.status is PaymentStatus.PENDING:
        return Step.CHARGE_PAYMENT
    if services.inventory.find(order_id) is None:
        return Step.RESERVE_INVENTORY
    scheduled = shipment is not None and shipment.status is ShipmentStatus.SCHEDULED
    return Step.CONFIRM_ORDER if scheduled else Step.SCHEDULE_SHIPPING


def _look_after_events(services: Services, record: OrderRecord, silent_since: datetime) -> None:
    """Publish the order's events again if the last one is older than `silent_since` and no person has to act."""
    order_id = record.request.order_id
    payment = services.payments.find(order_id)
    expires_at = payment.expires_at if payment is not None and payment.status is PaymentStatus.PENDING else None
    if record.attention is not None or (expires_at is not None and expires_at > silent_since):
        return
    owners = (services.orders, services.payments, services.inventory, services.shipping)
    recorded = (entry.at for owner in owners for entry in owner.journal(order_id).events)
    if max(recorded, default=record.placed_at) < silent_since:
        again = publish_again(services.databases, [order_id])
        log.warning("the events of a silent order are published again", order_id=order_id, events=again)


def _look_after_sale(services: Services, order_id: OrderId, confirmed_before: datetime) -> None:
    """Sell the pieces of a confirmed order, each style in its own way. A sale can be repeated."""
    record = services.orders.find(order_id)
    if record.stage is not Stage.CONFIRMED or record.finished_at is None or record.finished_at > confirmed_before:
        return
    if record.style is SagaStyle.CHOREOGRAPHED:
        again = publish_again(services.databases, [order_id])
        log.warning(
            "the events of a confirmed order that is not sold are published again", order_id=order_id, events=again
        )
    else:
        services.inventory.sell(SellInventory(order_id=order_id))
        log.warning("sold the pieces of a confirmed order whose saga had not", order_id=order_id)


def _undo_unknown_order(services: Services, order_id: OrderId) -> None:
    if undo_unknown_order(services.databases, order_id):
        log.warning("undid what was done for an order that does not exist: a forged event?", order_id=order_id)
    else:
        log.error("too many orders do not exist, see the audit: was a database restored?", order_id=order_id)
