import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.commands import CancelShipping, ScheduleShipping
from domain.ids import OrderId
from domain.order import Reason
from messaging.sql.outbox import Outbox
from runtime.wiring import Databases, Services
from tests.support.examples import NOON, SettableClock, an_order

SOON_S = 10.0


@pytest.fixture
def outbox(databases: Databases) -> Iterator[Outbox]:
    outbox = Outbox(databases.shipping)
    yield outbox
    outbox.close()


def schedule(services: Services) -> OrderId:
    order = an_order()
    services.shipping.schedule(ScheduleShipping(order=order))
    return order.order_id


def cancel(services: Services, order_id: OrderId) -> None:
    services.shipping.cancel(CancelShipping(order_id=order_id, reason=Reason.TIMED_OUT))


def waiting(outbox: Outbox, limit: int = 10) -> list[tuple[str, str]]:
    return [(row.event.key, row.event.type) for row in outbox.unpublished(limit)]


def test_the_longest_waiting_event_comes_first(services: Services, outbox: Outbox, clock: SettableClock) -> None:
    assert outbox.oldest_waiting_at() is None
    first = schedule(services)
    clock.pass_time(timedelta(seconds=1))
    second = schedule(services)
    cancel(services, first)

    assert waiting(outbox) == [
        (first, "shipping.scheduled"),
        (second, "shipping.scheduled"),
        (first, "shipping.cancelled"),
    ]
    assert waiting(outbox, 1) == [(first, "shipping.scheduled")]
    assert outbox.waiting() == 3
    assert outbox.oldest_waiting_at() == NOON


def test_a_published_event_leaves_the_outbox(services: Services, outbox: Outbox) -> None:
    first, second = schedule(services), schedule(services)

    outbox.mark_published([outbox.unpublished(10)[0].seq])

    assert waiting(outbox) == [(second, "shipping.scheduled")]
    outbox.mark_published([])
    assert first not in [order_id for order_id, _ in waiting(outbox)]


def test_events_of_named_orders_are_published_again(services: Services, outbox: Outbox) -> None:
    lost, done = schedule(services), schedule(services)
    cancel(services, lost)
    outbox.mark_published([row.seq for row in outbox.unpublished(10)])

    assert outbox.publish_again([lost]) == 2
    assert waiting(outbox) == [(lost, "shipping.scheduled"), (lost, "shipping.cancelled")]
    assert outbox.publish_again([lost]) == 0
    assert done not in [order_id for order_id, _ in waiting(outbox)]


def test_a_wait_ends_with_a_commit(services: Services, outbox: Outbox) -> None:
    assert outbox.wait_for_commit(SOON_S)
    while outbox.wait_for_commit(0.0):
        pass
    committing = threading.Timer(0.02, schedule, [services])
    committing.start()

    assert outbox.wait_for_commit(SOON_S)
    committing.join()
    assert outbox.waiting() == 1


def test_a_commit_between_the_look_and_the_wait_is_not_missed(services: Services, outbox: Outbox) -> None:
    while outbox.wait_for_commit(0.0):
        pass
    assert outbox.unpublished(10) == []
    schedule(services)

    assert outbox.wait_for_commit(SOON_S)


def test_a_commit_before_the_first_wait_of_an_active_relay_is_not_missed(services: Services, outbox: Outbox) -> None:
    with outbox.relay_lock():
        assert outbox.unpublished(10) == []
        schedule(services)

        assert outbox.wait_for_commit(SOON_S)


def test_a_wait_without_a_commit_ends_at_the_timeout(outbox: Outbox) -> None:
    while outbox.wait_for_commit(0.0):
        pass

    assert not outbox.wait_for_commit(0.01)


def test_publishing_again_wakes_the_relay(services: Services, outbox: Outbox, databases: Databases) -> None:
    order_id = schedule(services)
    outbox.mark_published([row.seq for row in outbox.unpublished(10)])
    while outbox.wait_for_commit(0.0):
        pass

    Outbox(databases.shipping).publish_again([order_id])

    assert outbox.wait_for_commit(SOON_S)


def test_only_one_relay_holds_the_lock_and_the_next_one_takes_over(outbox: Outbox, databases: Databases) -> None:
    standby = Outbox(databases.shipping)
    with outbox.relay_lock() as active:
        assert active
        with standby.relay_lock() as also_active:
            assert not also_active

    with standby.relay_lock() as active_now:
        assert active_now


def test_relays_of_two_services_do_not_disturb_each_other(outbox: Outbox, databases: Databases) -> None:
    other = Outbox(databases.inventory)

    with outbox.relay_lock() as one, other.relay_lock() as another:
        assert one
        assert another
