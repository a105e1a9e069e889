"""Listing and redriving dead letters."""

from collections.abc import Sequence
from contextlib import closing

import pytest
from kafka import KafkaProducer

from domain.order import Card, OrderStatus, Reason
from messaging.dead_letters import Bookmark, Letter, LetterFilter
from messaging.ids import EventId
from messaging.kafka.cloudevents import LARGEST_VALUE
from messaging.kafka.dead_letter_box import DeadLetterBox
from runtime.kafka import CONSUMED_TOPICS
from services.orders.store import Stage
from services.payments.transitions import charge_key
from tests.support.broker import Broker
from tests.support.choreography_in_threads import Choreography, impatient
from tests.support.faulty_databases import refusing_changes
from tests.support.waiting import eventually

ALL = LetterFilter()
FROM_ORDERS = [("dead_letter_topic", b"orders")]
LARGER_THAN_ANY_TOPIC_TAKES = 5 * 1024 * 1024


@pytest.fixture
def box(broker: Broker) -> DeadLetterBox:
    return DeadLetterBox(broker.connection, CONSUMED_TOPICS)


def letters_in(box: DeadLetterBox, wanted: LetterFilter = ALL) -> Sequence[Letter]:
    return box.page(wanted, 1_000).letters


def test_a_refund_that_is_redriven_twice_after_the_gateway_recovered_cancels_its_order_once(
    choreography: Choreography, box: DeadLetterBox
) -> None:
    choreography.patience = impatient(attempts=2)
    choreography.start()
    order_id = choreography.place(Card(token="tok_refundFails"), postal_code="00000")
    choreography.await_status(order_id, OrderStatus.NEEDS_ATTENTION)
    (letter,) = letters_in(box)
    assert (letter.correlation_key, letter.event_type) == (order_id, "inventory.released")
    assert letter.story["group"] == "payment-service"
    assert letter.story["attempts"] == "2"

    choreography.services.gateway.refund(charge_key(order_id), asked_by_operator=True)
    redriven = [box.redrive_one(letter.place), box.redrive(LetterFilter(correlation_key=order_id))]
    assert [each and each.sent for each in redriven] == [1, 1]

    end = choreography.await_end(order_id)
    assert (end.status, end.reason) == (OrderStatus.CANCELLED, Reason.UNDELIVERABLE_ADDRESS)
    assert choreography.timeline(order_id).count("payment.refunded") == 1
    choreography.await_books_right()


def test_a_redriven_message_that_fails_again_is_a_new_letter_with_one_set_of_headers(
    choreography: Choreography, broker: Broker, box: DeadLetterBox
) -> None:
    choreography.start("payment-service")
    broker.topic("orders").put(b"not JSON", b"nobody", [("ce_type", b"order.created")])
    eventually(lambda: len(letters_in(box)) == 1, "it is buried")

    assert box.redrive(ALL).sent == 1

    eventually(lambda: len(letters_in(box)) == 2, "it is buried again")
    first, again = letters_in(box)
    assert len(again.headers) == len(first.headers)
    assert again.story["offset"] == "1"


def test_letters_of_one_key_are_redriven_in_their_order(broker: Broker, box: DeadLetterBox) -> None:
    for number in range(5):
        broker.topic("orders.dlq").put(str(number).encode(), b"one-key", FROM_ORDERS)

    assert box.redrive(ALL).sent == 5

    assert [message.value for message in broker.topic("orders").await_messages(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_letter_without_its_value_or_of_an_unknown_topic_is_not_redriven(broker: Broker, box: DeadLetterBox) -> None:
    broker.topic("orders.dlq").put(None, b"too-large", [*FROM_ORDERS, ("dead_letter_omitted_bytes", b"9")])
    broker.topic("orders.dlq").put(b"{}", b"strange", [("dead_letter_topic", b"elsewhere")])
    broker.topic("orders.dlq").put(b"{}", b"no-story")

    redriven = box.redrive(ALL)

    assert (redriven.sent, redriven.left) == (0, 3)


def test_following_the_bookmark_redrives_more_letters_than_one_call_takes(broker: Broker) -> None:
    box = DeadLetterBox(broker.connection, CONSUMED_TOPICS, read_at_most=3)
    for number in range(8):
        broker.topic("orders.dlq").put(b"{}", f"key-{number}".encode(), FROM_ORDERS)

    parts = [box.redrive(ALL)]
    while parts[-1].following and len(parts) < 10:
        parts.append(box.redrive(ALL, parts[-1].following))

    assert [part.sent for part in parts] == [3, 3, 2]
    assert {message.key for message in broker.topic("orders").await_messages(8)} == {
        f"key-{number}".encode() for number in range(8)
    }


def test_letters_that_fail_again_during_a_redrive_are_not_redriven_endlessly(broker: Broker) -> None:
    box = DeadLetterBox(broker.connection, CONSUMED_TOPICS, read_at_most=2)
    for _ in range(4):
        broker.topic("orders.dlq").put(b"poison", b"one-key", FROM_ORDERS)

    part = box.redrive(ALL)
    sent, calls, behind = part.sent, 1, part.following
    while behind and calls < 20:
        broker.topic("orders.dlq").put(b"poison", b"one-key", FROM_ORDERS)  # buried again
        part = box.redrive(ALL, Bookmark(place=behind.place, until_ms=behind.until_ms))
        sent, calls, behind = sent + part.sent, calls + 1, part.following

    assert sent == 4
    assert calls < 20


def test_pages_have_no_gap_and_no_repetition(broker: Broker, box: DeadLetterBox) -> None:
    for number in range(7):
        topic = "orders" if number % 2 else "payments"
        broker.topic(f"{topic}.dlq").put(b"{}", f"key-{number}".encode(), [("dead_letter_topic", topic.encode())])

    page = box.page(ALL, 3)
    seen = [letter.key for letter in page.letters]
    while page.following and len(seen) < 20:
        page = box.page(ALL, 3, page.following)
        seen += [letter.key for letter in page.letters]

    assert sorted(seen, key=str) == [f"key-{number}".encode() for number in range(7)]
    of_orders = [letter.key for letter in letters_in(box, LetterFilter(topic="orders"))]
    assert sorted(of_orders, key=str) == [b"key-1", b"key-3", b"key-5"]


@pytest.mark.parametrize(
    "size",
    [
        LARGEST_VALUE + 1,
        pytest.param(
            LARGER_THAN_ANY_TOPIC_TAKES, marks=pytest.mark.embedded("Apache Kafka accepts no message of this size")
        ),
    ],
)
def test_an_oversize_message_is_buried_and_its_partition_goes_on(
    choreography: Choreography, broker: Broker, box: DeadLetterBox, size: int
) -> None:
    headers = [("ce_type", b"order.created"), ("ce_source", b"/twinsaga/order-service")]
    headers += [("ce_id", b"1.0"), ("ce_specversion", b"1.0")]
    broker.topic("orders").put_large(b"x" * size, b"nobody", headers)
    choreography.start()

    assert choreography.await_end(choreography.place()).stage is Stage.CONFIRMED

    letter = eventually(lambda: next(iter(letters_in(box)), None), "it is buried")
    assert letter.story["error"] == "NotACloudEvent"
    assert letter.story["group"] == "payment-service"
    assert letter.whole == (size == LARGEST_VALUE + 1)
    assert letter.story.get("omitted_bytes") == (None if letter.whole else str(size))
    assert EventId(dict(letter.headers)["ce_id"].decode()) == "1.0"


@pytest.mark.embedded("writes a batch that the real broker refuses")
def test_a_batch_that_cannot_be_decoded_is_a_dead_letter_by_its_place(
    choreography: Choreography, broker: Broker, box: DeadLetterBox
) -> None:
    choreography.start()
    broker.topic("payments").put_garbled(records=3)

    assert choreography.await_end(choreography.place()).stage is Stage.CONFIRMED

    letters = eventually(lambda: letters_in(box) or None, "it is buried")
    assert {each.story["group"] for each in letters} <= {"inventory-service", "order-service", "shipping-service"}
    for letter in letters:
        where = letter.story["topic"], letter.story["first_offset"], letter.story["offset"]
        assert (where, letter.story["error"], letter.whole) == (("payments", "0", "2"), "UndecodableBatch", False)


@pytest.mark.embedded("Apache Kafka refuses such timestamps by default")
@pytest.mark.parametrize("timestamp_ms", [2**60, -1])
def test_a_dead_letter_with_an_absurd_timestamp_is_listed(
    broker: Broker, box: DeadLetterBox, timestamp_ms: int
) -> None:
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as producer:
        producer.send("orders.dlq", key=b"k", value=b"v", timestamp_ms=timestamp_ms).get(timeout=10)

    (letter,) = letters_in(box)

    assert letter.buried_at.year in {1970, 9999}


def test_the_error_in_a_dead_letter_contains_no_personal_data(choreography: Choreography, box: DeadLetterBox) -> None:
    choreography.place()
    with refusing_changes(choreography.database_url("orders"), "orders"):
        choreography.start("order-service")
        letter = eventually(lambda: next(iter(letters_in(box)), None), "it is buried")

    assert letter.story["error"] == "IntegrityError"
    assert [word for word in ("Ana", "Paulista", "tok_visa") if word in letter.story["message"]] == []
    assert b"Ana" in (letter.value or b"")


@pytest.fixture
def partitions() -> int:
    """One, so that a blocked partition blocks everything."""
    return 1
