"""A refund of the choreography that keeps failing: the dead letter, the mark on the order, the operator's call."""

from tests.kafka_topics import messages_of
from tests.shop import Shop
from tests.spec.test_operators import retry, step_of, stuck_order
from tests.stack import Stack


def test_a_stuck_order_is_shown_and_listed_and_finished_by_an_operator(shop: Shop, stack: Stack) -> None:
    order_id, other = stuck_order(shop, "choreographed"), stuck_order(shop, "choreographed")

    shown = shop.order(order_id)
    assert "payment-service gave up on inventory.released after 8 attempts: GatewayFault" in shown["reason"]
    assert step_of(shown, "refund_payment")["status"] == "retrying"
    assert step_of(shown, "refund_payment")["attempts"] == 8
    listed = shop.client.get("/orders", params={"status": "needs_attention", "style": "choreographed"}).json()["items"]
    assert {order_id, other} <= {item["order_id"] for item in listed}
    (letter,) = messages_of(stack.ready["kafka"], order_id, "inventory.dlq")
    assert dict(letter.headers)["dead_letter_group"] == b"payment-service"

    answers = [retry(shop, order_id).status_code for _ in range(2)]
    end = shop.await_end(order_id)

    assert answers[0] == 202
    assert answers[1] in {202, 409}
    assert (end["status"], end["reason"]) == ("cancelled", "undeliverable_address")
    assert [event["type"] for event in shop.timeline(order_id)].count("payment.refunded") == 1
    assert shop.order(other)["status"] == "needs_attention"
    assert retry(shop, order_id).status_code == 409
    retry(shop, other)
    shop.await_end(other)
