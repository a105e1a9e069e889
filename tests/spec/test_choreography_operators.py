"""A refund of the choreography that keeps failing: the dead letter, the mark on the order, the operator's call."""

import asyncio
import json
import os
import subprocess

from kafka import TopicPartition
from temporalio.client import Client

from domain.ids import OrderId
from sagas.status import SAGA_STATUS, SAGA_STEP, SAGA_STYLE
from tests.spec.test_operators import assert_attention
from tests.support.kafka_topics import await_committed, messages_of
from tests.support.operators import retry, step_of, stuck_order
from tests.support.shop import Shop
from tests.support.stack import TWINSAGA, Json, Stack
from tests.support.waiting import eventually, soon
from workflows.choreography_witness import witness_id
from workflows.order_attributes import ORDER_ID


def test_a_stuck_order_is_shown_and_listed_and_finished_by_an_operator(shop: Shop, stack: Stack) -> None:
    order_id, other = stuck_order(shop, "choreographed"), stuck_order(shop, "choreographed")

    shown = shop.order(order_id)
    assert_attention(shown)
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
    assert (end["status"], end["reason"], end["attention"]) == ("cancelled", "undeliverable_address", None)
    assert [event["type"] for event in shop.timeline(order_id)].count("payment.refunded") == 1
    assert shop.order(other)["status"] == "needs_attention"
    assert retry(shop, order_id).status_code == 409
    retry(shop, other)
    shop.await_end(other)


def test_a_dead_letter_is_found_through_the_api_and_redriven_without_harm(shop: Shop, stack: Stack) -> None:
    order_id = stuck_order(shop, "choreographed")

    (letter,) = letters_of(shop, order_id)
    place = letter["place"]
    told = [letter[name] for name in ("type", "topic", "group", "error", "attempts", "can_be_redriven")]
    assert told == ["inventory.released", "inventory", "payment-service", "GatewayFault", 8, True]
    assert shop.client.get(f"/dead-letters/{place}").json() == letter

    redriven = shop.client.post("/dead-letters/redrive", json={"place": place})
    assert (redriven.status_code, redriven.json()["redriven"]) == (202, 1)
    eventually(lambda: len(letters_of(shop, order_id)) == 2, "the gateway still refuses: it comes back", 60.0)
    assert shop.order(order_id)["status"] == "needs_attention"

    assert retry(shop, order_id).status_code == 202
    end = shop.await_end(order_id)
    events = shop.timeline(order_id)
    again = shop.client.post("/dead-letters/redrive", json={"filter": {"order_id": order_id}})
    assert (again.status_code, again.json()["redriven"]) == (202, 2)

    topic = messages_of(stack.ready["kafka"], order_id, "inventory")
    await_committed(
        stack.ready["kafka"],
        "payment-service",
        {TopicPartition("inventory", message.partition): message.offset + 1 for message in topic},
    )
    after = shop.order(order_id)
    assert after | {"actions": end["actions"]} == end
    assert [action["action"] for action in after["actions"]] == ["retry compensation", "redrive"]
    assert shop.timeline(order_id) == events
    assert len(letters_of(shop, order_id)) == 2


def test_the_command_line_lists_shows_and_redrives_the_same_letters(shop: Shop, stack: Stack) -> None:
    order_id = stuck_order(shop, "choreographed")
    (letter,) = letters_of(shop, order_id)

    listed = dlq(stack, "list", "--order", order_id)
    shown = dlq(stack, "show", letter["place"])
    redriven = dlq(stack, "redrive", letter["place"])

    assert letter["place"] in listed
    assert json.loads(shown)["group"] == "payment-service"
    assert "Ana Souza" not in shown
    assert redriven == "1 redriven\n"
    retry(shop, order_id)
    shop.await_end(order_id)


async def test_the_witness_shows_what_an_operator_has_to_know_and_nothing_of_the_customer(
    shop: Shop, stack: Stack
) -> None:
    order_id = await asyncio.to_thread(stuck_order, shop, "choreographed")
    temporal = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
    witness = temporal.get_workflow_handle(witness_id(OrderId(order_id)))

    async def shown() -> list[str | None]:
        attributes = (await witness.describe()).typed_search_attributes
        return [attributes.get(name) for name in (SAGA_STYLE, SAGA_STATUS, SAGA_STEP, ORDER_ID)]

    await soon(shown, lambda found: found == ["choreographed", "needs_attention", "refund_payment", order_id])
    details = str((await witness.query("__temporal_workflow_metadata")).current_details)
    assert "payment-service gave up on `inventory.released` after 8 attempts (GatewayFault)" in details

    assert (await asyncio.to_thread(retry, shop, order_id)).status_code == 202
    async with asyncio.timeout(60):
        end = await witness.result()
    assert end["status"] == "cancelled"
    assert end["events"][-3] == "order.needs_attention"
    # They come on two topics, so either may be witnessed first.
    assert set(end["events"][-2:]) == {"payment.refunded", "order.cancelled"}
    assert await shown() == ["choreographed", "cancelled", "cancel_order", order_id]
    history = "".join(map(str, (await witness.fetch_history()).events))
    assert "order.needs_attention" in history
    assert [word for word in ("Ana", "Paulista", "tok_", "customer-") if word in history] == []


def letters_of(shop: Shop, order_id: str) -> list[Json]:
    answer = shop.client.get("/dead-letters", params={"order_id": order_id})
    answer.raise_for_status()
    letters: list[Json] = answer.json()["items"]
    return letters


def dlq(stack: Stack, *arguments: str) -> str:
    environment = os.environ | {"TWINSAGA_KAFKA_BOOTSTRAP": stack.ready["kafka"], "COLUMNS": "300"}
    done = subprocess.run(  # noqa: S603 - our own program
        [str(TWINSAGA), "dlq", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
