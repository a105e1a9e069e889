"""The Payment service consumes the gateway's settlements itself: these tests run without Temporal and bridges."""

import json
from datetime import timedelta

import pytest

from domain.commands import ChargePayment
from domain.ids import OrderId, Sku, new_order_id
from domain.money import Money
from domain.order import Pix, Reason
from messaging.kafka.topics import dead_letters_of
from runtime.wiring import services_over
from services.orders.store import Stage
from services.payments.service import SETTLEMENT_WAITS
from services.payments.store import PaymentStatus
from services.vocabulary import SETTLEMENTS
from tests.support.broker import Broker
from tests.support.choreography_in_threads import SKU, Choreography
from tests.support.examples import an_order
from tests.support.waiting import eventually

HEADERS = {"ce_specversion": "1.0", "ce_type": "payment.settled", "ce_source": "https://gateway.example"}


def settle(broker: Broker, order_id: OrderId, event_id: str = "s-1") -> None:
    headers = [(name, value.encode()) for name, value in (HEADERS | {"ce_id": event_id}).items()]
    broker.topic(SETTLEMENTS).put(json.dumps({"order_id": order_id}).encode(), None, headers)


def handled(choreography: Choreography, event_id: str = "s-1") -> None:
    eventually(lambda: event_id in choreography.handled("payment-service"), "the settlement is handled")


def test_a_settlement_continues_the_order_and_is_the_cause_of_the_next_event(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.start()
    order_id = choreography.place(Pix())
    choreography.await_event(order_id, "payment.pending")

    settle(broker, order_id)
    settle(broker, order_id)

    assert choreography.await_end(order_id).stage is Stage.CONFIRMED
    (completed,) = [entry for entry in choreography.recorded(order_id) if entry.event.type == "payment.completed"]
    assert completed.caused_by == "s-1"
    choreography.await_books_right()


def test_money_that_comes_after_the_expiry_is_refunded(choreography: Choreography, broker: Broker) -> None:
    choreography.start()
    order_id = choreography.place(Pix())
    choreography.await_event(order_id, "payment.pending")
    choreography.clock.ahead += timedelta(minutes=31)
    choreography.await_end(order_id)

    settle(broker, order_id)
    handled(choreography)

    payment = choreography.services.payments.find(order_id)
    assert payment is not None
    assert payment.captured == payment.refunded > 0
    choreography.await_books_right()


def test_the_money_of_an_orchestrated_order_is_left_to_its_saga(choreography: Choreography, broker: Broker) -> None:
    recorded = services_over(choreography.databases, choreography.clock, publish=False)
    order = an_order(pix=True)
    recorded.payments.charge(ChargePayment(order=order))
    choreography.start("payment-service")

    settle(broker, order.order_id)
    handled(choreography)

    payment = recorded.payments.find(order.order_id)
    assert payment is not None
    assert payment.status is PaymentStatus.PENDING
    assert choreography.waiting_in_outboxes() == 0


@pytest.mark.parametrize("placed_first", [True, False])
def test_money_that_comes_before_the_payment_service_knows_the_order_is_booked(
    choreography: Choreography, broker: Broker, *, placed_first: bool
) -> None:
    order_id = new_order_id()
    choreography.start("inventory-service", "shipping-service", "payment-service")
    if placed_first:
        choreography.place(Pix(), order_id=order_id)

    settle(broker, order_id)
    settle(broker, order_id, "s-2")
    handled(choreography, "s-2")
    if not placed_first:
        choreography.place(Pix(), order_id=order_id)
    choreography.start("order-service")

    assert choreography.await_end(order_id).stage is Stage.CONFIRMED
    assert "payment.pending" not in choreography.timeline(order_id)
    choreography.await_books_right()


def test_money_that_comes_before_an_order_that_is_refused_is_forgotten_in_time(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.services.orders.set_price(SKU, Money(amount=1, currency="BRL"))
    order_id = new_order_id()
    choreography.start()
    settle(broker, order_id)
    handled(choreography)
    choreography.place(Pix(), order_id=order_id, sku=Sku("UNKNOWN"))

    assert choreography.await_end(order_id).reason is Reason.UNKNOWN_SKU
    choreography.await_books_right()
    choreography.clock.ahead += SETTLEMENT_WAITS + timedelta(minutes=1)
    eventually(lambda: choreography.services.payments.find(order_id) is None, "the settlement is forgotten")
    choreography.await_books_right()


def test_a_settlement_of_an_unknown_order_changes_nothing_and_is_forgotten(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.start("payment-service")
    order_id = new_order_id()

    settle(broker, order_id)
    handled(choreography)

    assert choreography.waiting_in_outboxes() == 0
    choreography.await_books_right()
    choreography.clock.ahead += SETTLEMENT_WAITS + timedelta(minutes=1)
    eventually(lambda: choreography.services.payments.find(order_id) is None, "the settlement is forgotten")


@pytest.mark.parametrize(
    "value", [b"no JSON", b"[]", b'{"order_id": 7}', b"{}", rb'{"order_id": "\ud800"}', b"[" * 3_000]
)
def test_a_value_that_is_not_a_settlement_is_buried_unchanged_and_the_next_one_is_handled(
    choreography: Choreography, broker: Broker, value: bytes
) -> None:
    choreography.start("payment-service")

    broker.topic(SETTLEMENTS).put(value, b"any", [("ce_id", b"s-1"), ("ce_type", b"payment.settled")])

    (letter,) = broker.topic(dead_letters_of(SETTLEMENTS)).await_messages(1)
    assert (letter.key, letter.value) == (b"any", value)
    settle(broker, new_order_id(), "s-2")
    handled(choreography, "s-2")
