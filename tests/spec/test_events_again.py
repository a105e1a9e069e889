"""An event that is delivered again, at once or long after the end, changes nothing."""

import pytest

from comparison.scenarios import SCENARIOS, Scenario
from tests.support.kafka_topics import await_committed, messages_of, send_again
from tests.support.shop import Shop
from tests.support.stack import Stack

GROUPS = ("order-service", "payment-service", "inventory-service", "shipping-service")


@pytest.mark.parametrize("name", ["ok", "undeliverable", "out_of_stock", "flaky_refund"])
def test_all_events_of_a_finished_order_again_change_nothing(shop: Shop, stack: Stack, name: str) -> None:
    scenario: Scenario = SCENARIOS[name]
    order_id = shop.place(shop.prepared(scenario), "choreographed")
    shop.await_end(order_id)
    shop.assert_books_right()
    order, timeline = shop.order(order_id), shop.timeline(order_id)
    bootstrap = stack.ready["kafka"]
    messages = messages_of(bootstrap, order_id)
    assert {message.event_id for message in messages} == {event["event_id"] for event in timeline}

    ends = send_again(bootstrap, [*reversed(messages), *messages])
    for group in GROUPS:
        await_committed(bootstrap, group, ends)

    assert shop.order(order_id) == order
    assert shop.timeline(order_id) == timeline


def test_an_orchestrated_order_triggers_no_choreography(shop: Shop, stack: Stack) -> None:
    order_id = shop.place(shop.prepared(SCENARIOS["ok"]), "orchestrated")
    shop.await_end(order_id)

    assert messages_of(stack.ready["kafka"], order_id) == []
