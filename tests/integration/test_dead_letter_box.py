"""What an operator sees of the dead letters, and what a redrive does."""

import pytest

from domain.order import Card, OrderStatus, Reason
from runtime.dead_letter_box import DeadLetterBox
from services.payments.transitions import charge_key
from tests.integration.choreography_in_threads import Choreography, impatient
from tests.integration.conftest import Broker
from tests.stack import eventually


@pytest.fixture
def box(broker: Broker) -> DeadLetterBox:
    return DeadLetterBox(broker.connection)


def test_a_refund_that_is_redriven_twice_once_the_gateway_is_well_ends_its_order_once(
    choreography: Choreography, box: DeadLetterBox
) -> None:
    choreography.patience = impatient(attempts=2)
    choreography.start()
    order_id = choreography.place(Card(token="tok_refundFails"), postal_code="00000")
    choreography.await_status(order_id, OrderStatus.NEEDS_ATTENTION)
    (letter,) = box.letters()
    assert (letter.order_id, letter.event_type) == (order_id, "inventory.released")
    assert letter.story["group"] == "payment-service"
    assert letter.story["attempts"] == "2"

    choreography.services.gateway.refund(charge_key(order_id), asked_by_operator=True)
    assert box.redrive([letter, letter]) == 2

    end = choreography.await_end(order_id)
    assert (end.status, end.reason) == (OrderStatus.CANCELLED, Reason.UNDELIVERABLE_ADDRESS)
    assert choreography.timeline(order_id).count("payment.refunded") == 1
    choreography.await_books_right()


def test_what_still_cannot_be_handled_comes_back_as_a_letter_with_one_story(
    choreography: Choreography, broker: Broker, box: DeadLetterBox
) -> None:
    choreography.start("payment-service")
    broker.topic("orders").put(b"not JSON", b"nobody", [("ce_type", b"order.created")])
    eventually(lambda: len(box.letters()) == 1, "it is buried")

    assert box.redrive(box.letters()) == 1

    eventually(lambda: len(box.letters()) == 2, "it is buried again")
    first, again = box.letters()
    assert len(again.headers) == len(first.headers)
    assert again.story["offset"] == "1"


def test_letters_of_one_key_go_back_in_the_order_in_which_they_came(broker: Broker, box: DeadLetterBox) -> None:
    story = [("dead_letter_topic", b"orders")]
    for number in range(5):
        broker.topic("orders.dlq").put(str(number).encode(), b"one-key", story)

    assert box.redrive(box.letters()) == 5

    assert [message.value for message in broker.topic("orders").await_messages(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_letter_without_its_value_or_of_a_strange_topic_does_not_go_back(broker: Broker, box: DeadLetterBox) -> None:
    omitted = [("dead_letter_topic", b"orders"), ("dead_letter_omitted_bytes", b"9")]
    broker.topic("orders.dlq").put(None, b"too-large", omitted)
    broker.topic("orders.dlq").put(b"{}", b"strange", [("dead_letter_topic", b"elsewhere")])
    broker.topic("orders.dlq").put(b"{}", b"no-story")

    assert box.redrive(box.letters()) == 0
