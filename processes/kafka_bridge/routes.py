"""The routing tables of the Kafka bridge: which event starts or signals which workflow."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import get_args

from pydantic import TypeAdapter

from adapters.kafka.decoding import Decoder as ServiceDecoder
from adapters.kafka.decoding import decode_settlement, event_decoder
from adapters.kafka.topics import SETTLED, SETTLEMENTS, TOPICS, dead_letters_of
from choreography.routing import ROUTING, tag_of
from domain.commands import SettlePayment
from domain.errors import KeyReused, UnknownOrder
from domain.events import Event, PaymentSettled
from domain.ids import OrderId, outside_id
from domain.order import SagaStyle
from processes.kafka_bridge.attention import attention_letters, attention_to, message_of
from runtime.settings import Settings
from runtime.wiring import Services
from services.intake.order_body import place_order_command, read_order
from twinsaga_bridges.kafka_into_workflow import (
    NOTHING,
    Decoder,
    IncomingEvent,
    KafkaRecord,
    Routes,
    Signal,
    SignalWithStart,
    Start,
    cloud_events,
    plain_json,
)
from workflows.choreography_witness import WitnessedEvent, WitnessedOrder, witness_id
from workflows.order_saga import workflow_id
from workflows.saga_status import first_attributes, summary_of
from workflows.witnessed_steps import NEEDS_ATTENTION

GROUP = "kafka-bridge"
REQUESTED = "order-requests"
WITNESS_QUEUE = "choreography-witnesses"


def _as_services_read(decode: ServiceDecoder) -> Decoder:
    """Refuse what the services bury: it must neither start a witness nor signal a saga."""

    def read(record: KafkaRecord) -> IncomingEvent:
        decode(message_of(record))
        return cloud_events(record)

    return read


_ESTATE_TOPICS: Mapping[str, Decoder] = {
    REQUESTED: plain_json(REQUESTED),
    SETTLEMENTS: _as_services_read(decode_settlement),
}
_WITNESSED_TOPICS: Mapping[str, Decoder] = {
    **dict.fromkeys(TOPICS, _as_services_read(event_decoder(ignored=()))),
    **dict.fromkeys(map(dead_letters_of, TOPICS), attention_letters),
}


def topics_read(settings: Settings) -> Mapping[str, Decoder]:
    return {**_ESTATE_TOPICS, **(_WITNESSED_TOPICS if settings.witness_enabled else {})}


_MOMENT = TypeAdapter(datetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateRoutes:
    """`services` must not publish events: these topics are for orchestrated orders."""

    settings: Settings
    services: Services

    def table(self) -> Routes:
        return {REQUESTED: self._place, SETTLED: self._settle}

    async def _place(self, event: IncomingEvent) -> Start:
        """Store the order as the API does, and let the bridge start its saga. The order id is derived from the key."""
        key = outside_id(event.key, "the key, without which a repeated request would be a second order,")
        order = read_order(event.data)
        command = place_order_command(order, SagaStyle.ORCHESTRATED, scope=REQUESTED, key=key)
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
        """Signal the saga of an orchestrated order; after its end, refund the money.

        The Payment service reads this topic too: it settles choreographed orders and buries invalid settlements.
        """
        order_id = OrderId(event.data["order_id"])
        try:
            record = await asyncio.to_thread(self.services.orders.find, order_id)
        except UnknownOrder:
            return None
        if record.style is not SagaStyle.ORCHESTRATED:
            return None
        return Signal(
            signal="payment_settled",
            workflow_id=lambda _: workflow_id(order_id),
            argument=lambda _: NOTHING,
            too_late=lambda _: self._book(order_id),
        )

    async def _book(self, order_id: OrderId) -> None:
        await asyncio.to_thread(self.services.payments.settle, SettlePayment(order_id=order_id))


def witness_routes(silence_s: float) -> Routes:
    """Send every event of the choreography to the witness of its order, as a signal named after the event type."""
    start = Start(
        workflow="ChoreographyWitness",
        workflow_id=lambda event: witness_id(event.data["order_id"]),
        task_queue=WITNESS_QUEUE,
        argument=lambda event: WitnessedOrder(order_id=event.data["order_id"], silence_s=silence_s),
        summary="watches a choreographed order",
        search_attributes=lambda event: first_attributes(event.data["order_id"], SagaStyle.CHOREOGRAPHED),
    )
    return {
        tag_of(event): SignalWithStart(
            signal=tag_of(event), start=start, argument=partial(_witnessed, _owed_after(event))
        )
        for event in get_args(Event)
        if event is not PaymentSettled
    } | {NEEDS_ATTENTION: SignalWithStart(signal=NEEDS_ATTENTION, start=start, argument=attention_to)}


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
