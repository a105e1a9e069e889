"""When offsets are committed: for many messages at once, and before another member gets the partitions."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.order import OrderStatus
from messaging.kafka.lag import GroupLag
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
