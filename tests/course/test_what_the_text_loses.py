"""What the course's own code loses: the claims of docs/curso/ about it, those about Kafka on a real broker."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from kafka import KafkaConsumer

from messaging.kafka.topics import TopicShape, ensure_topics
from tests.course.the_text import OrderSaga, consume, consumer_of, create_order, producer_of
from tests.support.broker import Broker
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:value_.*serializer does not implement:DeprecationWarning")

QUICK = {"session_timeout_ms": 2_000, "heartbeat_interval_ms": 500, "fetch_max_wait_ms": 10}
"""The embedded broker completes a join only after half of the session timeout."""

FROM_THE_START = {**QUICK, "auto_offset_reset": "earliest"}


class Killed(BaseException):
    """Ends the process: no handler of the text runs after it."""


class Orders:
    """The database of the text."""

    def __init__(self) -> None:
        self.saved: list[dict[str, Any]] = []

    def save_order(self, order: dict[str, Any]) -> None:
        self.saved.append(order)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker") / "tansu.log")
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def topic(broker: Broker, request: pytest.FixtureRequest) -> str:
    """A topic for each test: an offset of the text's group is of one topic."""
    ensure_topics(broker.connection, TopicShape(partitions=1), 10, [request.node.name])
    return str(request.node.name)


def published(broker: Broker, topic: str, *order_ids: str) -> None:
    with closing(producer_of(broker.bootstrap)) as producer:
        for order_id in order_ids:
            create_order({"order_id": order_id}, Orders(), producer, topic)


class EndOfTest(BaseException):
    """Ends the endless loop of the text."""


def reserved_until(last: str, consumer: KafkaConsumer) -> list[str]:
    reserved: list[str] = []

    def reserve(order_id: str) -> None:
        reserved.append(order_id)
        if order_id == last:
            raise EndOfTest

    with pytest.raises(EndOfTest):
        consume(consumer, reserve)
    return reserved


def reserved_by_the_next_process(broker: Broker, topic: str, last: str) -> list[str]:
    with closing(consumer_of(broker.bootstrap, topic, **FROM_THE_START)) as consumer:
        return reserved_until(last, consumer)


def test_a_new_group_of_the_text_skips_what_was_published_before(broker: Broker, topic: str) -> None:
    published(broker, topic, "before")

    seen: list[str] = []
    with closing(consumer_of(broker.bootstrap, topic, **QUICK)) as consumer:

        def sees_the_next() -> bool:
            published(broker, topic, "after")  # again and again, since the group has no place in the topic at first
            seen.extend(each.value["order_id"] for some in consumer.poll(200).values() for each in some)
            return bool(seen)

        eventually(sees_the_next, "the group sees a message", 60)

    assert set(seen) == {"after"}


def test_the_automatic_commit_of_the_text_skips_the_message_that_failed(broker: Broker, topic: str) -> None:
    published(broker, topic, "failed")

    def reserve(order_id: str) -> None:
        raise ConnectionError(order_id)

    with pytest.raises(ConnectionError), closing(consumer_of(broker.bootstrap, topic, **FROM_THE_START)) as consumer:
        consume(consumer, reserve)

    published(broker, topic, "next")
    assert reserved_by_the_next_process(broker, topic, "next") == ["next"]


def test_a_consumer_of_the_text_that_dies_before_its_commit_reserves_twice(broker: Broker, topic: str) -> None:
    published(broker, topic, "order")
    consumer = consumer_of(broker.bootstrap, topic, **FROM_THE_START)
    try:
        assert reserved_until("order", consumer) == ["order"]
    finally:
        consumer.close(autocommit=False)  # as a killed process, which commits nothing

    assert reserved_by_the_next_process(broker, topic, "order") == ["order"]


def test_one_message_that_is_not_json_stops_the_consumer_of_the_text(broker: Broker, topic: str) -> None:
    broker.topic(topic).put(b"not json")
    published(broker, topic, "behind it")

    for _ in range(2):  # a restart does not help
        with (
            pytest.raises(ValueError, match="Expecting value"),
            closing(consumer_of(broker.bootstrap, topic, **FROM_THE_START)) as consumer,
        ):
            consume(consumer, lambda order_id: pytest.fail(f"{order_id} is reserved"))


def test_an_order_of_the_text_is_saved_and_nobody_notices_that_its_event_was_not_sent(tmp_path: Path) -> None:
    orders, broker = Orders(), Broker(tmp_path / "tansu.log")
    give_up = {"request_timeout_ms": 500, "delivery_timeout_ms": 1_000}
    try:
        broker.start()
        ensure_topics(broker.connection, TopicShape(partitions=1), 10, ["orders"])
        with closing(producer_of(broker.bootstrap, **give_up)) as producer:
            create_order({"order_id": "first"}, orders, producer)
            broker.stop()
            create_order({"order_id": "unheard"}, orders, producer)  # no error
    finally:
        broker.stop()

    assert orders.saved == [{"order_id": "first"}, {"order_id": "unheard"}]


def test_an_order_of_the_text_whose_process_dies_after_the_save_has_no_event() -> None:
    orders = Orders()
    with pytest.raises(Killed):
        create_order({"order_id": "unheard"}, orders, Mock(send=Mock(side_effect=Killed)))

    assert orders.saved == [{"order_id": "unheard"}]


class Services:
    """Note each call. `fails` names a step whose effect happens and whose answer is lost."""

    def __init__(self, fails: dict[str, BaseException]) -> None:
        self.calls: list[str] = []
        self._fails = fails

    def __getattr__(self, step: str) -> Any:  # noqa: ANN401 - one of the text's coroutine functions
        async def call() -> None:
            self.calls.append(step)
            if step in self._fails:
                raise self._fails[step]

        return call


async def test_the_saga_of_the_text_keeps_the_money_of_a_charge_whose_answer_was_lost() -> None:
    services = Services({"charge_payment": TimeoutError()})

    with pytest.raises(TimeoutError):
        await OrderSaga(services).execute()

    assert services.calls == ["create_order", "charge_payment", "cancel_order"]


async def test_the_saga_of_the_text_is_gone_with_its_process() -> None:
    services = Services({"reserve_inventory": Killed()})
    with pytest.raises(Killed):
        await OrderSaga(services).execute()

    await OrderSaga(services).compensate()  # the next process knows no step

    assert services.calls == ["create_order", "charge_payment", "reserve_inventory"]


async def test_one_failed_compensation_of_the_text_stops_the_others_and_hides_the_cause() -> None:
    services = Services({"schedule_shipping": LookupError("undeliverable"), "release_inventory": ConnectionError()})

    with pytest.raises(ConnectionError):
        await OrderSaga(services).execute()

    assert "refund_payment" not in services.calls
