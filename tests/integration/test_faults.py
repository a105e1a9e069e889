"""Poison, faults behind a service, and a service whose own database is away."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.commands import RefundPayment
from domain.events import InventoryFailed, OrderConfirmed, ShippingScheduled
from domain.ids import OrderId
from domain.order import Card, OrderStatus, Reason, Step
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.cloudevents import to_message
from services.orders.store import Stage
from services.vocabulary import ORDER_EVENTS
from tests.support.broker import Broker
from tests.support.choreography_in_threads import Choreography, impatient
from tests.support.waiting import eventually

KEY = OrderId("nobody-s-order")


@pytest.fixture
def partitions() -> int:
    """Everything shares one partition, so that what blocks it blocks all."""
    return 1


def _headers(**changed: bytes | None) -> list[tuple[str, bytes]]:
    event = OrderConfirmed(order_id=KEY)
    recorded = RecordedEvent(
        event_id=EventId("e"), event=event, service="order-service", at=datetime.now(UTC), caused_by=None
    )
    headers = dict(to_message(ORDER_EVENTS.write(recorded), None).headers) | {"ce_type": b"order.created"}
    return [(name, value) for name, value in (headers | changed).items() if value is not None]


@pytest.mark.parametrize(
    ("headers", "value", "error"),
    [
        ([], b"not an event", "NotACloudEvent"),
        (_headers(), b"not JSON", "UndecodableEvent"),
        (_headers(), None, "NotACloudEvent"),
        (_headers(ce_id=None), b'{"type":"order.created"}', "NotACloudEvent"),
        (_headers(ce_type=b"order.exploded"), b'{"type":"order.exploded"}', "UnknownEventType"),
        (_headers(ce_specversion=b"9.9"), b"{}", "NotACloudEvent"),
    ],
)
def test_poison_goes_to_the_dead_letters_and_its_partition_goes_on(
    choreography: Choreography, broker: Broker, headers: list[tuple[str, bytes]], value: bytes | None, error: str
) -> None:
    broker.topic("orders").put(value, KEY.encode(), headers)
    choreography.start("payment-service", "order-service", "inventory-service", "shipping-service")

    assert choreography.await_end(choreography.place()).stage is Stage.CONFIRMED

    # A service that has no policy for a type does not read such messages. Without a type all three readers bury it.
    readers = 1 if dict(headers).get("ce_type") == b"order.created" else 3
    letters = {}
    for letter in broker.topic("orders.dlq").await_messages(readers):
        story = dict(letter.headers)
        letters[story["dead_letter_group"]] = story
        assert (letter.key, letter.value) == (KEY.encode(), value)
        assert letter.headers[: len(headers)] == headers
    story = letters[b"payment-service"]
    assert story["dead_letter_topic"] == b"orders"
    assert (story["dead_letter_partition"], story["dead_letter_offset"]) == (b"0", b"0")
    assert int(story["dead_letter_timestamp"]) > 0
    assert story["dead_letter_error"] == error.encode()
    assert story["dead_letter_message"]
    assert story["dead_letter_attempts"] == b"1"


def test_an_impossible_event_goes_to_the_dead_letters(choreography: Choreography, broker: Broker) -> None:
    choreography.start()
    order_id = choreography.place(Card(token="tok_chargeDeclined"))
    choreography.await_end(order_id)

    scheduled = choreography.made_up(ShippingScheduled(order_id=order_id, tracking_number="TS0"), "made-up")
    broker.topic("shipping").put_event(scheduled)

    errors = {
        (dict(letter.headers)["dead_letter_group"], dict(letter.headers)["dead_letter_error"])
        for letter in broker.topic("shipping.dlq").await_messages(2)
    }
    assert errors == {(b"order-service", b"ImpossibleState"), (b"inventory-service", b"ImpossibleState")}
    assert choreography.await_end(choreography.place()).stage is Stage.CONFIRMED
    choreography.await_books_right()


def test_one_sick_order_lets_all_others_pass_and_keeps_its_own_order(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.patience = impatient(attempts=10_000)
    choreography.start()
    sick = choreography.place(Card(token="tok_refundFails"), postal_code="00000")
    eventually(lambda: choreography.parked("payment-service") == 1, "its refund is parked")
    released = next(entry for entry in choreography.recorded(sick) if entry.event.type == "inventory.released")

    behind = choreography.made_up(InventoryFailed(order_id=sick, reason=Reason.OUT_OF_STOCK), "made-up")
    broker.topic("inventory").put_event(behind)
    others = [choreography.place() for _ in range(10)]

    assert {choreography.await_end(order_id).stage for order_id in others} == {Stage.CONFIRMED}
    assert choreography.services.orders.find(sick).stage is Stage.CREATED
    eventually(lambda: choreography.parked("payment-service") == 2, "the later message of the same order waits too")
    assert behind.event_id not in choreography.handled("payment-service")

    choreography.services.payments.refund(
        RefundPayment(order_id=sick, reason=Reason.UNDELIVERABLE_ADDRESS, asked_by_operator=True)
    )

    assert choreography.await_end(sick).reason is Reason.UNDELIVERABLE_ADDRESS
    eventually(lambda: not choreography.parked("payment-service"), "nothing is parked any more")
    handled = choreography.handled("payment-service")
    assert handled.index(released.event_id) < handled.index(behind.event_id)
    choreography.await_books_right()


def test_a_charge_out_of_attempts_is_refused_and_closed_at_the_gateway(choreography: Choreography) -> None:
    choreography.patience = impatient(attempts=2)
    choreography.start()

    end = choreography.await_end(choreography.place(Card(token="tok_gatewayFlaky")))

    assert (end.stage, end.reason) == (Stage.CANCELLED, Reason.TIMED_OUT)
    choreography.await_books_right()


def test_an_undo_out_of_attempts_is_a_dead_letter(choreography: Choreography, broker: Broker) -> None:
    choreography.patience = impatient(attempts=3)
    choreography.start()

    order_id = choreography.place(Card(token="tok_refundFails"), postal_code="00000")

    (letter,) = broker.topic("inventory.dlq").await_messages(1)
    story = dict(letter.headers)
    assert story["ce_type"] == b"inventory.released"
    assert (story["dead_letter_error"], story["dead_letter_attempts"]) == (b"GatewayFault", b"3")
    eventually(lambda: not choreography.parked("payment-service"), "nothing is parked any more")
    choreography.await_status(order_id, OrderStatus.NEEDS_ATTENTION)
    record = choreography.services.orders.find(order_id)
    assert record.reason is Reason.UNDELIVERABLE_ADDRESS
    assert record.attention is not None
    assert (record.attention.step, record.attention.error) == (
        Step.REFUND_PAYMENT,
        "GatewayFault: payment gateway: refund: 503 from the card network",
    )
    assert choreography.await_end(choreography.place()).stage is Stage.CONFIRMED


def test_a_dead_letter_that_is_read_twice_or_after_the_end_changes_nothing(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.patience = impatient(attempts=2)
    choreography.start()
    order_id = choreography.place(Card(token="tok_refundFails"), postal_code="00000")
    choreography.await_status(order_id, OrderStatus.NEEDS_ATTENTION)
    refund = RefundPayment(order_id=order_id, reason=Reason.UNDELIVERABLE_ADDRESS, asked_by_operator=True)
    choreography.services.payments.refund(refund)
    choreography.services.payments.refund(refund)
    end = choreography.await_end(order_id)
    events = choreography.timeline(order_id)

    (letter,) = broker.topic("inventory.dlq").await_messages(1)
    broker.topic("inventory.dlq").put(letter.value, letter.key, letter.headers)
    broker.topic("inventory.dlq").put(None, b"no order", letter.headers)
    broker.topic("inventory.dlq").put(None, str(UUID(int=0)).encode(), letter.headers)
    sentinel = choreography.place(Card(token="tok_refundFails"), postal_code="00000")
    choreography.await_status(sentinel, OrderStatus.NEEDS_ATTENTION)  # its letter is behind those

    assert (end.reason, end.attention) == (Reason.UNDELIVERABLE_ADDRESS, None)
    assert choreography.services.orders.find(order_id) == end
    assert choreography.timeline(order_id) == events


def test_a_service_whose_database_is_away_waits_and_loses_nothing(choreography: Choreography) -> None:
    choreography.start()
    first = choreography.place()
    choreography.await_end(first)

    with choreography.databases.inventory.writing() as connection:
        connection.execute(text("ALTER TABLE inbox RENAME TO elsewhere"))
        connection.commit()
    waiting = [choreography.place() for _ in range(5)]
    for order_id in waiting:
        choreography.await_event(order_id, "payment.completed")
    eventually(lambda: not choreography.waiting_in_outboxes(), "all is published")
    assert not any("inventory.reserved" in choreography.timeline(order_id) for order_id in waiting)
    with choreography.databases.inventory.writing() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO inbox"))
        connection.commit()

    assert {choreography.await_end(order_id).stage for order_id in waiting} == {Stage.CONFIRMED}
    choreography.await_books_right()
