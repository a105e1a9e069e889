"""An order passes through all four services, despite repeated or late messages and changing group members."""

from datetime import timedelta

import pytest

from domain.order import Card, Pix, Reason
from messaging.ids import EventId
from messaging.kafka.topics import await_settled
from services.orders.store import Stage
from services.vocabulary import ORDER_EVENTS, TOPICS
from tests.support.broker import Broker
from tests.support.choreography_in_threads import PLENTY, SKU, Choreography
from tests.support.examples import FREE
from tests.support.waiting import eventually


def test_an_order_passes_through_all_four_services(choreography: Choreography) -> None:
    choreography.start()

    order_id = choreography.place()

    assert choreography.await_end(order_id).stage is Stage.CONFIRMED
    assert choreography.timeline(order_id) == [
        "order.requested",
        "order.created",
        "payment.completed",
        "inventory.reserved",
        "shipping.scheduled",
        "order.confirmed",
    ]
    choreography.await_books_right()


def test_every_event_names_the_one_that_caused_it(choreography: Choreography) -> None:
    choreography.start()

    order_id = choreography.place(postal_code="00000")
    choreography.await_end(order_id)

    events = choreography.recorded(order_id)
    ids: dict[str, EventId] = {recorded.event.type: recorded.event_id for recorded in events}
    causes = [recorded.caused_by for recorded in events]
    assert causes == [None, *[ids[kind] for kind in choreography.timeline(order_id)[:-1]]]


def test_an_order_of_total_0_is_confirmed_without_a_charge(choreography: Choreography) -> None:
    choreography.services.orders.set_price(SKU, FREE)
    choreography.start()

    order_ids = [choreography.place(payment) for payment in (Card(token="tok_chargedThenTimeout"), Pix())]

    for order_id in order_ids:
        assert choreography.await_end(order_id).stage is Stage.CONFIRMED
        assert "payment.pending" not in choreography.timeline(order_id)
    undone = choreography.await_end(choreography.place(postal_code="00000"))
    assert undone.reason is Reason.UNDELIVERABLE_ADDRESS
    choreography.await_books_right()


@pytest.mark.parametrize(
    ("token", "postal_code", "quantity", "reason"),
    [
        ("tok_chargeDeclined", "01310", 1, Reason.PAYMENT_DECLINED),
        ("tok_visa", "01310", PLENTY + 1, Reason.OUT_OF_STOCK),
        ("tok_visa", "00000", 1, Reason.UNDELIVERABLE_ADDRESS),
        ("tok_refundFlaky", "00000", 1, Reason.UNDELIVERABLE_ADDRESS),
    ],
)
def test_a_refused_order_is_undone(
    choreography: Choreography, token: str, postal_code: str, quantity: int, reason: Reason
) -> None:
    choreography.start()

    end = choreography.await_end(choreography.place(Card(token=token), postal_code=postal_code, quantity=quantity))

    assert (end.stage, end.reason) == (Stage.CANCELLED, reason)
    choreography.await_books_right()


def test_an_unpaid_pix_payment_expires(choreography: Choreography) -> None:
    choreography.start()
    order_id = choreography.place(Pix())
    choreography.await_event(order_id, "payment.pending")

    choreography.clock.ahead = timedelta(minutes=31)

    end = choreography.await_end(order_id)
    assert (end.stage, end.reason) == (Stage.CANCELLED, Reason.PAYMENT_EXPIRED)
    assert choreography.timeline(order_id)[-2:] == ["payment.failed", "order.cancelled"]
    choreography.await_books_right()


def test_events_repeated_after_the_end_change_nothing(choreography: Choreography, broker: Broker) -> None:
    choreography.start()
    order_id = choreography.place()
    choreography.await_end(order_id)
    choreography.await_books_right()
    before = choreography.recorded(order_id)

    for recorded in before:
        for _ in range(2):
            broker.topic(ORDER_EVENTS.topic_of(recorded.event.type)).put_event(recorded)
    choreography.await_end(choreography.place())  # its events are behind the repeated ones in each topic

    assert choreography.recorded(order_id) == before
    stock = choreography.services.inventory.stock_of(SKU)
    assert stock is not None
    assert (stock.on_hand, stock.sold) == (PLENTY - 4, 4)
    choreography.await_books_right()


def test_members_may_join_and_leave_while_orders_run(choreography: Choreography) -> None:
    choreography.start()
    orders = [choreography.place() for _ in range(20)]
    choreography.start("payment-service", "inventory-service")
    orders += [choreography.place() for _ in range(20)]
    choreography.stop("payment-service")
    orders += [choreography.place() for _ in range(5)]
    choreography.start("payment-service")

    assert {choreography.await_end(order_id, 40).stage for order_id in orders} == {Stage.CONFIRMED}
    choreography.await_books_right()


def test_a_service_that_was_down_handles_the_waiting_messages(choreography: Choreography) -> None:
    choreography.start("order-service", "payment-service", "inventory-service")
    order_id = choreography.place()
    choreography.await_event(order_id, "inventory.reserved")

    choreography.start("shipping-service")

    assert choreography.await_end(order_id).stage is Stage.CONFIRMED


@pytest.mark.embedded("a real broker keeps what it has, on disk")
def test_a_broker_that_lost_its_messages_gets_them_again_from_the_event_logs(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.start("order-service", "inventory-service", "shipping-service")
    finished_later, lost = choreography.place(), choreography.place()
    for order_id in (finished_later, lost):
        choreography.await_event(order_id, "order.created")
    eventually(lambda: not choreography.waiting_in_outboxes(), "all is published")

    broker.stop()
    placed_meanwhile = choreography.place()
    broker.start()
    await_settled(broker.connection, 20, TOPICS)
    choreography.publish_again([finished_later, lost, placed_meanwhile])
    choreography.start("payment-service")

    for order_id in (finished_later, lost, placed_meanwhile):
        assert choreography.await_end(order_id, 40).stage is Stage.CONFIRMED
    choreography.await_books_right()
