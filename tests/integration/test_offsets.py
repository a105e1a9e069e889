"""When offsets are committed: for many messages at once, and before another member gets the partitions."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import pytest

from domain.order import OrderStatus
from messaging.kafka.group_consumer import GroupMember
from messaging.kafka.lag import GroupLag
from messaging.kafka.message import IncomingMessage
from messaging.kafka.relay import Relay
from messaging.sql.outbox import Outbox
from services.vocabulary import ORDER_EVENTS
from tests.support.broker import Broker
from tests.support.choreography_in_threads import Choreography
from tests.support.waiting import eventually

GROUP = "shipping-service"
ORDERS = 10
A_DAY_S = 86_400.0


def not_committed(broker: Broker) -> int:
    """Of the events to which the group reacts, one of each order."""
    return sum(GroupLag(broker.connection, GROUP, ["inventory"]).measure().values())


def play(choreography: Choreography) -> None:
    choreography.start()
    orders = [choreography.place() for _ in range(ORDERS)]
    assert {choreography.await_end(order_id).status for order_id in orders} == {OrderStatus.CONFIRMED}


def test_handled_messages_are_committed_although_no_more_come(choreography: Choreography, broker: Broker) -> None:
    play(choreography)

    eventually(lambda: not_committed(broker) == 0, "everything is committed")


@pytest.mark.parametrize("change", [Choreography.start, Choreography.stop], ids=["one joins", "it leaves"])
def test_handled_messages_are_committed_before_a_rebalance(
    choreography: Choreography,
    broker: Broker,
    change: Callable[[Choreography, str], None],
) -> None:
    choreography.patience = replace(choreography.patience, commit_within_s=A_DAY_S)
    play(choreography)
    assert not_committed(broker) == ORDERS

    change(choreography, GROUP)

    eventually(lambda: not_committed(broker) == 0, "what it handled is committed")


class DiesHandling:
    """A handler whose process ends while it handles the first message."""

    seconds_until_retry = 60.0

    def handle(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        if messages:
            raise SystemExit
        yield from messages

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None: ...

    def check(self) -> None: ...


@pytest.fixture
def published(choreography: Choreography, broker: Broker) -> None:
    """The first event of an order is on its topic, and no service runs."""
    choreography.place()
    outbox, stop = Outbox(choreography.databases.orders), threading.Event()
    relay = threading.Thread(target=Relay(outbox, broker.connection, ORDER_EVENTS).run, args=(stop,))
    relay.start()
    try:
        eventually(lambda: not outbox.waiting(), "the order is published")
    finally:
        stop.set()
        relay.join(10)
        outbox.close()


@pytest.mark.usefixtures("published")
def test_a_message_whose_handling_never_ended_is_not_committed(broker: Broker) -> None:
    dying = GroupMember(broker.connection, "order-service", ["orders"], DiesHandling())
    with pytest.raises(SystemExit):
        dying.run(threading.Event(), threading.Event())

    assert sum(GroupLag(broker.connection, "order-service", ["orders"]).measure().values()) == 1
