"""What the Kafka bridge does with an event before Temporal hears of it: over real databases, without engines."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from domain.commands import ChargePayment, PlaceOrder
from domain.errors import UnknownOrder
from domain.events import Event, OrderCreated, PaymentCompleted
from domain.ids import OrderId, new_order_id
from domain.order import SagaStyle
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.cloudevents import NotACloudEvent, to_message
from messaging.vocabulary import UndecodableEvent
from processes.kafka_bridge.decoders import own_events, settlements
from processes.kafka_bridge.routes import EstateRoutes, witness_routes
from processes.kafka_bridge.serve import CancellationByOrderService
from runtime.settings import Settings
from runtime.wiring import Services, services_over
from services.payments.store import PaymentStatus
from services.sealing import UNSEALED
from services.vocabulary import ORDER_EVENTS, SETTLED, SETTLEMENTS
from tests.support.examples import NOON, SettableClock, a_request, an_order
from twinsaga_bridges.kafka_into_workflow import (
    Choose,
    IncomingEvent,
    KafkaRecord,
    Route,
    Signal,
    SignalWithStart,
    Unreadable,
    cloud_events,
)
from workflows.witnessed_steps import STEP_AFTER

CREATED = OrderCreated(order_id=new_order_id(), order=an_order())


def placed(services: Services, style: SagaStyle) -> OrderId:
    request = a_request()
    services.orders.place(PlaceOrder(request=request, style=style, fingerprint="f"))
    return request.order_id


def record_of(event: Event, service: str, *, topic: str | None = None, installation: str = "") -> KafkaRecord:
    recorded = RecordedEvent(event_id=EventId("e-1"), event=event, service=service, at=NOON, caused_by=None)
    message = to_message(ORDER_EVENTS.write(recorded), None, installation)
    return KafkaRecord(
        topic=topic or ORDER_EVENTS.topic_of(event.type),
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
    )


def settlement(order_id: str, **headers: str) -> KafkaRecord:
    attributes = {"ce_specversion": "1.0", "ce_type": SETTLED, "ce_source": "/gateway", "ce_id": "s-1"} | headers
    return KafkaRecord(
        topic=SETTLEMENTS,
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=b"any",
        value=json.dumps({"order_id": order_id}).encode(),
        headers=tuple((name, text.encode()) for name, text in attributes.items()),
    )


def chosen(services: Services, event: IncomingEvent) -> Route | None:
    route = witness_routes(services.orders, 60.0)[event.type]
    return asyncio.run(choose(route, event))


async def choose(route: Route | Choose, event: IncomingEvent) -> Route | None:
    assert callable(route)
    return await route(event)


def created(order_id: OrderId) -> IncomingEvent:
    order = an_order(order_id=order_id)
    return own_events("")(record_of(OrderCreated(order_id=order_id, order=order), "order-service"))


def test_every_event_that_is_witnessed_has_its_step(services: Services) -> None:
    assert set(witness_routes(services.orders, 60.0)) == set(STEP_AFTER)


def test_a_witness_begins_for_a_choreographed_order_that_exists(services: Services) -> None:
    order_id = placed(services, SagaStyle.CHOREOGRAPHED)

    assert isinstance(chosen(services, created(order_id)), SignalWithStart)


def test_no_witness_begins_for_an_order_that_does_not_exist_or_is_orchestrated(services: Services) -> None:
    assert chosen(services, created(new_order_id())) is None
    assert chosen(services, created(placed(services, SagaStyle.ORCHESTRATED))) is None


def test_the_records_are_asked_once_for_an_order_and_again_for_one_that_was_unknown(services: Services) -> None:
    order_id, request = placed(services, SagaStyle.CHOREOGRAPHED), a_request()
    routes = witness_routes(services.orders, 60.0)

    def chosen(order_id: OrderId) -> Route | None:
        return asyncio.run(choose(routes["order.created"], created(order_id)))

    assert chosen(order_id) is not None
    assert chosen(request.order_id) is None
    services.orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="f"))
    assert chosen(request.order_id) is not None
    services.databases.orders.close()
    services.databases.orders.file.unlink()
    assert chosen(order_id) is not None


def test_a_witness_cancels_only_an_order_that_exists(services: Services) -> None:
    order_id, unknown = placed(services, SagaStyle.CHOREOGRAPHED), new_order_id()
    cancellations = CancellationByOrderService(services.orders)

    for each in (order_id, order_id, unknown):
        cancellations.ask(each)

    types = [recorded.event.type for recorded in services.orders.journal(order_id).events]
    assert types == ["order.requested", "order.cancellation_requested"]
    assert services.orders.journal(unknown).events == ()
    with pytest.raises(UnknownOrder):
        services.orders.find(unknown)


@pytest.mark.parametrize(
    "misplaced",
    [
        record_of(CREATED, "payment-service"),
        record_of(CREATED, "order-service", topic="payments"),
        record_of(CREATED, "order-service", topic=SETTLEMENTS),
        record_of(PaymentCompleted(order_id=CREATED.order_id, order=CREATED.order, charge_id="c"), "gateway"),
        record_of(CREATED, "order-service", installation="staging"),
        replace(record_of(CREATED, "order-service"), value=b"{}"),
    ],
    ids=["source", "topic", "settlements", "another's event", "installation", "no event"],
)
def test_the_bridge_refuses_the_events_that_the_services_refuse(misplaced: KafkaRecord) -> None:
    with pytest.raises((NotACloudEvent, UndecodableEvent)):
        own_events("")(misplaced)


def test_an_event_of_this_installation_is_read() -> None:
    record = record_of(CREATED, "order-service", installation="eu-1")

    assert own_events("eu-1")(record).key == CREATED.order_id
    with pytest.raises(NotACloudEvent, match="installation"):
        own_events("")(record)
    with pytest.raises(NotACloudEvent, match="installation"):
        own_events("eu-1")(record_of(CREATED, "order-service"))


def test_two_gateways_with_the_same_event_id_are_two_requests_to_temporal() -> None:
    order_id = new_order_id()
    one, other = settlements(settlement(order_id)), settlements(settlement(order_id, ce_source="/other"))

    assert one.id == other.id
    assert one.identity != other.identity


@pytest.mark.parametrize("missing", ["ce_id", "ce_source", "ce_type", "ce_specversion"])
def test_the_library_reads_no_cloud_event_without_what_identifies_it(missing: str) -> None:
    record = settlement(new_order_id())
    headers = tuple((name, value) for name, value in record.headers if name != missing)

    with pytest.raises(Unreadable, match=missing):
        cloud_events(replace(record, headers=headers))


@pytest.mark.parametrize(
    "order_id", ["no order at all", "", "a\x00b", "\ud800", "6F1C0D52-9A3E-4D5E-9F6B-111111111111"]
)
def test_a_settlement_of_what_is_not_an_order_is_refused(order_id: str) -> None:
    with pytest.raises(ValueError, match="not the id of an order"):
        settlements(settlement(order_id))


@pytest.mark.parametrize("style", SagaStyle)
def test_a_settlement_that_comes_before_its_order_is_kept_for_the_charge_in_either_style(
    services: Services, clock: SettableClock, tmp_path: Path, style: SagaStyle
) -> None:
    recorded = services_over(services.databases, clock, publish=False)
    route = EstateRoutes(settings=Settings(data_dir=tmp_path), services=recorded, seals=UNSEALED).table()[SETTLED]
    order = an_order(pix=True)

    assert asyncio.run(choose(route, settlements(settlement(order.order_id)))) is None

    styled = {SagaStyle.ORCHESTRATED: recorded, SagaStyle.CHOREOGRAPHED: services}[style]
    styled.payments.charge(ChargePayment(order=order))
    payment = styled.payments.find(order.order_id)
    assert payment is not None
    assert payment.status is PaymentStatus.CAPTURED


def test_a_settlement_before_the_saga_has_started_is_kept_for_the_charge(
    services: Services, clock: SettableClock, tmp_path: Path
) -> None:
    recorded = services_over(services.databases, clock, publish=False)
    order_id = placed(recorded, SagaStyle.ORCHESTRATED)
    route = EstateRoutes(settings=Settings(data_dir=tmp_path), services=recorded, seals=UNSEALED).table()[SETTLED]

    async def settle_while_no_saga_runs() -> None:
        event = settlements(settlement(order_id))
        signal = await choose(route, event)
        assert isinstance(signal, Signal)
        assert signal.too_late is not None
        await signal.too_late(event)

    asyncio.run(settle_while_no_saga_runs())

    recorded.payments.charge(ChargePayment(order=an_order(pix=True, order_id=order_id)))
    payment = recorded.payments.find(order_id)
    assert payment is not None
    assert payment.status is PaymentStatus.CAPTURED
