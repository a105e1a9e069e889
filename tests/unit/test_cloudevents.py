"""Every event survives the way over Kafka, and other messages are refused."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from domain.events import (
    Event,
    InventoryFailed,
    InventoryReleased,
    InventoryReserved,
    OrderCancellationRequested,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRequested,
    PaymentCompleted,
    PaymentFailed,
    PaymentPending,
    PaymentRefunded,
    PaymentSettled,
    ShippingCancelled,
    ShippingFailed,
    ShippingScheduled,
)
from domain.ids import CustomerId, OrderId, Sku
from domain.money import Money
from domain.order import Card, Order, OrderLine, OrderRequest, Pix, PricedLine, Reason, ShippingAddress
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.cloudevents import LARGEST_VALUE, NotACloudEvent, from_message, to_message, type_header
from messaging.vocabulary import UndecodableEvent, UnknownEventType, tag_of
from runtime.kafka import ALL_TOPICS
from services.vocabulary import ORDER_EVENTS

ID = OrderId("0d3d8f7e-0000-4000-8000-000000000001")
AT = datetime(2030, 2, 28, 23, 59, 59, 123456, tzinfo=UTC)
ADDRESS = ShippingAddress(
    recipient="Zoë 🙂", street="Rua São João, 1", city="São Paulo", postal_code="01310", country="BR"
)
REQUEST = OrderRequest(
    order_id=ID,
    customer_id=CustomerId("ana"),
    lines=(OrderLine(sku=Sku("A"), quantity=2), OrderLine(sku=Sku("B"), quantity=1)),
    payment=Card(token="tok_visa"),
    shipping_address=ADDRESS,
)
ORDER = Order(
    order_id=ID,
    customer_id=CustomerId("ana"),
    lines=(PricedLine(sku=Sku("A"), quantity=2, unit_price=Money(amount=1250, currency="BRL")),),
    payment=Pix(),
    shipping_address=ADDRESS,
)
OUT = Reason.OUT_OF_STOCK
EVENTS: list[Event] = [
    OrderRequested(order_id=ID, request=REQUEST),
    OrderCreated(order_id=ID, order=ORDER),
    OrderConfirmed(order_id=ID),
    OrderCancelled(order_id=ID, reason=OUT),
    OrderCancellationRequested(order_id=ID, reason=OUT),
    PaymentPending(order_id=ID, order=ORDER, expires_at=AT),
    PaymentCompleted(order_id=ID, order=ORDER, charge_id="ch_1"),
    PaymentFailed(order_id=ID, reason=OUT),
    PaymentRefunded(order_id=ID, reason=OUT),
    PaymentSettled(order_id=ID),
    InventoryReserved(order_id=ID, order=ORDER),
    InventoryFailed(order_id=ID, reason=OUT),
    InventoryReleased(order_id=ID, reason=OUT),
    ShippingScheduled(order_id=ID, tracking_number="TS1"),
    ShippingFailed(order_id=ID, reason=OUT),
    ShippingCancelled(order_id=ID, reason=OUT),
]


def recorded(event: Event, caused_by: EventId | None = None) -> RecordedEvent[Event]:
    return RecordedEvent(event_id=EventId("e-1"), event=event, service="order-service", at=AT, caused_by=caused_by)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_arrives_as_it_was_sent(event: Event) -> None:
    sent = recorded(event, caused_by=EventId("e-0"))
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    message = to_message(ORDER_EVENTS.write(sent), trace)
    received = from_message(ORDER_EVENTS, message.key, message.value, message.headers)

    assert received.recorded == sent
    assert received.traceparent == trace
    assert type_header(message.headers) == event.type
    assert ORDER_EVENTS.topic_of(event.type) in ALL_TOPICS


def test_every_event_type_is_among_the_examples() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert {event.type for event in EVENTS} == {tag_of(event) for event in get_args(Event)}


def test_an_event_travels_as_a_cloud_event_in_binary_mode_keyed_by_its_order() -> None:
    message = to_message(ORDER_EVENTS.write(recorded(OrderConfirmed(order_id=ID), caused_by=EventId("e-0"))), None)

    assert message.key == ID.encode()
    assert dict(message.headers) == {
        "ce_id": b"e-1",
        "ce_source": b"/twinsaga/order-service",
        "ce_type": b"order.confirmed",
        "ce_specversion": b"1.0",
        "ce_time": b"2030-02-28T23:59:59.123456Z",
        "ce_subject": ID.encode(),
        "ce_partitionkey": ID.encode(),
        "ce_causationid": b"e-0",
        "content-type": b"application/json",
    }


@pytest.mark.parametrize("missing", ["ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time"])
def test_a_missing_attribute_is_never_made_up(missing: str) -> None:
    message = to_message(ORDER_EVENTS.write(recorded(OrderConfirmed(order_id=ID))), None)

    with pytest.raises(NotACloudEvent, match=missing):
        from_message(
            ORDER_EVENTS, message.key, message.value, [header for header in message.headers if header[0] != missing]
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [("ce_specversion", b"0.3"), ("ce_time", b"yesterday"), ("ce_source", b"\xff"), ("ce_type", b"order.cancelled")],
)
def test_a_wrong_attribute_is_refused(name: str, value: bytes) -> None:
    message = to_message(ORDER_EVENTS.write(recorded(OrderConfirmed(order_id=ID))), None)

    with pytest.raises(NotACloudEvent):
        from_message(ORDER_EVENTS, message.key, message.value, list((dict(message.headers) | {name: value}).items()))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, NotACloudEvent),
        (b"x" * (LARGEST_VALUE + 1), NotACloudEvent),
        (b"", UndecodableEvent),
        (b"not json", UndecodableEvent),
        (b'{"type":"order.confirmed"}', UndecodableEvent),
        (b'{"type":"order.exploded","order_id":"1"}', UnknownEventType),
    ],
)
def test_a_value_that_is_not_an_event_is_refused(value: bytes | None, error: type[Exception]) -> None:
    message = to_message(ORDER_EVENTS.write(recorded(OrderConfirmed(order_id=ID))), None)

    with pytest.raises(error):
        from_message(ORDER_EVENTS, message.key, value, message.headers)


@pytest.mark.parametrize("key", [None, b"another order"])
def test_a_key_that_is_not_the_order_is_refused(key: bytes | None) -> None:
    message = to_message(ORDER_EVENTS.write(recorded(OrderConfirmed(order_id=ID))), None)

    with pytest.raises(NotACloudEvent):
        from_message(ORDER_EVENTS, key, message.value, message.headers)


def test_fields_of_a_later_version_are_ignored() -> None:
    message = to_message(ORDER_EVENTS.write(recorded(OrderConfirmed(order_id=ID))), None)
    value = message.value[:-1] + b',"new_field":1}'

    assert from_message(ORDER_EVENTS, message.key, value, message.headers).recorded.event == OrderConfirmed(order_id=ID)
