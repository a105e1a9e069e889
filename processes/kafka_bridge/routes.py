"""The routing tables of the Kafka bridge: which event starts or signals which workflow."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import get_args

import structlog
from pydantic import TypeAdapter

from choreography.routing import ROUTING
from domain.commands import SettlePayment
from domain.errors import KeyReused, UnknownOrder
from domain.events import Event, PaymentSettled
from domain.ids import OrderId
from domain.order import SagaStyle
from messaging.ids import outside_id
from messaging.kafka.topics import dead_letters_of
from messaging.vocabulary import tag_of
from processes.kafka_bridge.attention import attention_letters, attention_to
from processes.kafka_bridge.decoders import own_events, settlements
from runtime.settings import Settings
from runtime.wiring import Services
from sagas.witness import WitnessedEvent
from services.intake.order_body import place_order_command, read_order
from services.orders.service import OrderService
from services.orders.store import OrderRecord
from services.sealing import Seals
from services.vocabulary import SETTLED, SETTLEMENTS, TOPICS
from twinsaga_bridges.kafka_into_workflow import (
    Choose,
    Decoder,
    IncomingEvent,
    Routes,
    Signal,
    SignalWithStart,
    Start,
    plain_json,
    record_key,
)
from workflows.choreography_witness import WitnessedOrder, witness_id
from workflows.order_attributes import first_attributes, summary_of
from workflows.order_saga import workflow_id
from workflows.witnessed_steps import NEEDS_ATTENTION

GROUP = "kafka-bridge"
REQUESTED = "order-requests"
WITNESS_QUEUE = "choreography-witnesses"
_ESTATE_TOPICS: Mapping[str, Decoder] = {REQUESTED: plain_json(REQUESTED, id=record_key), SETTLEMENTS: settlements}


def topics_read(settings: Settings) -> Mapping[str, Decoder]:
    if not settings.witness_enabled:
        return _ESTATE_TOPICS
    return {
        **_ESTATE_TOPICS,
        **dict.fromkeys(TOPICS, own_events(settings.installation)),
        **dict.fromkeys(map(dead_letters_of, TOPICS), attention_letters(settings.installation)),
    }


_MOMENT = TypeAdapter(datetime)
_KNOWN_ORDERS = 10_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateRoutes:
    """`services` must not publish events: these topics are for orchestrated orders."""

    settings: Settings
    services: Services
    seals: Seals

    def table(self) -> Routes:
        return {REQUESTED: self._place, SETTLED: self._settle}

    async def _place(self, event: IncomingEvent) -> Start:
        """Store the order as the API does, and let the bridge start its saga. The order id is derived from the key."""
        key = outside_id(event.key, "the key, without which a repeated request would be a second order,")
        order = read_order(event.data)
        command = place_order_command(order, SagaStyle.ORCHESTRATED, self.seals, scope=REQUESTED, key=key)
        try:
            await asyncio.to_thread(self.services.orders.place, command)
        except KeyReused as reused:
            raise ValueError("the key was used before, for another order") from reused
        request = command.request
        return Start(
            workflow="OrderSaga",
            workflow_id=lambda _: workflow_id(request.order_id),
            task_queue=self.settings.temporal_task_queue,
            argument=lambda _: request,
            summary=summary_of(request),
            search_attributes=lambda _: first_attributes(request.order_id, SagaStyle.ORCHESTRATED),
        )

    async def _settle(self, event: IncomingEvent) -> Signal | None:
        """Signal the saga of an orchestrated order; before its start or after its end, book the money or refund it.

        The Payment service reads this topic too: it settles choreographed orders and buries invalid settlements.
        """
        order_id = OrderId(event.key)
        record = await asyncio.to_thread(record_of, self.services.orders, order_id)
        if record is None:
            # The Payment service may read this when the order is placed and charged, and leave it to the saga then.
            await asyncio.to_thread(self.services.payments.keep, SettlePayment(order_id=order_id))
            record = await asyncio.to_thread(record_of, self.services.orders, order_id)
        if record is None or record.style is not SagaStyle.ORCHESTRATED:
            return None
        return Signal(
            signal="payment_settled",
            workflow_id=lambda _: workflow_id(order_id),
            argument=attrgetter("identity"),
            too_late=lambda _: self._book(order_id),
        )

    async def _book(self, order_id: OrderId) -> None:
        await asyncio.to_thread(self.services.payments.settle, SettlePayment(order_id=order_id))


def record_of(orders: OrderService, order_id: OrderId) -> OrderRecord | None:
    try:
        return orders.find(order_id)
    except UnknownOrder:
        return None


class ChoreographedOrders:
    """Tells which orders have a witness: those that the Order service has recorded as choreographed."""

    def __init__(self, orders: OrderService) -> None:
        self._orders = orders
        self._known: dict[OrderId, None] = {}

    async def include(self, order_id: OrderId) -> bool:
        """Ask the records once for each order; an order that exists does not cease to exist."""
        if order_id in self._known:
            return True
        record = await asyncio.to_thread(record_of, self._orders, order_id)
        if record is None or record.style is not SagaStyle.CHOREOGRAPHED:
            return False
        if len(self._known) >= _KNOWN_ORDERS:
            del self._known[next(iter(self._known))]
        self._known[order_id] = None
        return True


def witness_routes(orders: OrderService, silence_s: float) -> Routes:
    """Send every event of a choreographed order to its witness, as a signal named after the event type.

    An event of an order that does not exist has no witness: it would ask for the cancellation of that order.
    """
    witnessed = ChoreographedOrders(orders)

    def if_witnessed(route: SignalWithStart) -> Choose:
        async def choose(event: IncomingEvent) -> SignalWithStart | None:
            if await witnessed.include(OrderId(event.key)):
                return route
            log.warning("no such choreographed order", order_id=event.key, type=event.type)
            return None

        return choose

    start = Start(
        workflow="ChoreographyWitness",
        workflow_id=lambda event: witness_id(OrderId(event.key)),
        task_queue=WITNESS_QUEUE,
        argument=lambda event: WitnessedOrder(order_id=OrderId(event.key), silence_s=silence_s),
        summary="watches a choreographed order",
        search_attributes=lambda event: first_attributes(OrderId(event.key), SagaStyle.CHOREOGRAPHED),
    )
    arguments = {
        tag_of(event): partial(_witnessed, _owed_after(event))
        for event in get_args(Event)
        if event is not PaymentSettled
    } | {NEEDS_ATTENTION: attention_to}
    return {
        signal: if_witnessed(SignalWithStart(signal=signal, start=start, argument=argument))
        for signal, argument in arguments.items()
    }


def _witnessed(owed_by: str | None, event: IncomingEvent) -> WitnessedEvent:
    expires_at = event.data.get("expires_at")
    return WitnessedEvent(
        event_id=event.id,
        caused_by=event.record.header("ce_causationid"),
        owed_by="the customer" if expires_at else owed_by,
        waits_until=_MOMENT.validate_python(expires_at) if expires_at else None,
    )


def _owed_after(event: type[Event]) -> str | None:
    return next((service for service, policies in ROUTING.items() if event in policies), None)
