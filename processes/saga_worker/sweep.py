"""Looks after unfinished orders whose saga does not move by itself, in both styles.

- An orchestrated order without a saga is started: the API died before the start, or Temporal was away.
- An orchestrated order whose saga was terminated, failed, or is gone by retention needs a repair, which an operator
  requests: they may have had a reason to terminate it.
- The events of a silent choreographed order are published again: the topic's retention may have deleted one unread.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from adapters.clock import utc_now
from domain.commands import CancelOrder, ReportLostSaga
from domain.errors import Fault
from domain.order import Reason, SagaStyle, Step
from processes.saga_worker.unfinished_orders import UnfinishedOrderWalk
from runtime.republish import publish_again
from runtime.settings import Settings
from runtime.temporal import RPC_DEADLINE, start_saga
from runtime.wiring import Services
from services.orders.store import OrderRecord, Stage
from services.payments.store import PaymentStatus
from services.shipping.store import ShipmentStatus
from twinsaga_bridges.backoff import Backoff
from workflows.order_saga import OrderSaga, workflow_id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTimes:
    """`older_than`: a started saga has created its order by then. `silent_for`: more than any step of an order takes.

    The pauses lie between two checks of one order. When a thousand orders queue, one check of each per second would
    load Temporal so much that the orders themselves were delayed; and while a service is down, its events would be
    published again and again.
    """

    every_s: float = 1.0
    older_than: timedelta = timedelta(seconds=5)
    pauses: Backoff = field(default_factory=lambda: Backoff(first_s=5.0, longest_s=20.0))
    silent_for: timedelta = timedelta(seconds=60)
    pauses_between_publications: Backoff = field(default_factory=lambda: Backoff(first_s=60.0, longest_s=3600.0))


async def sweep(client: Client, services: Services, settings: Settings, times: SweepTimes | None = None) -> None:
    """Run until cancelled. Faults are logged; the next round tries again."""
    times = times or SweepTimes()
    orchestrated = UnfinishedOrderWalk(services.orders, SagaStyle.ORCHESTRATED, times.pauses)
    choreographed = UnfinishedOrderWalk(services.orders, SagaStyle.CHOREOGRAPHED, times.pauses_between_publications)
    while True:
        try:
            now = utc_now()
            for record in await asyncio.to_thread(orchestrated.due, now - times.older_than):
                await _look_after_saga(client, services, settings, record)
            silent_since = now - times.silent_for
            for record in await asyncio.to_thread(choreographed.due, silent_since):
                await asyncio.to_thread(_look_after_events, services, record, silent_since)
        except (Fault, RPCError) as fault:
            log.warning("not all unfinished orders could be checked", error=str(fault))
        await asyncio.sleep(times.every_s)


async def _look_after_saga(client: Client, services: Services, settings: Settings, record: OrderRecord) -> None:
    order_id = record.request.order_id
    if record.stage is Stage.REQUESTED:
        await start_saga(client, record.request, settings)
    what = await _what_became_of_saga(client, record)
    if what is None:
        return
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


async def _what_became_of_saga(client: Client, record: OrderRecord) -> str | None:
    """Return None while the order's saga runs."""
    handle = client.get_workflow_handle_for(OrderSaga.run, workflow_id(record.request.order_id))
    try:
        status = (await handle.describe(rpc_timeout=RPC_DEADLINE)).status
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return "is gone"
        raise
    if status is WorkflowExecutionStatus.RUNNING:
        return None
    return f"has the status {status.name if status else 'UNKNOWN'}"


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
