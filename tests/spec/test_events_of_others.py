"""Events that are not of this installation, or not where they belong: dead letters without an effect."""

import asyncio
from dataclasses import replace

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.clock import utc_now
from domain.events import Event, OrderCancellationRequested, OrderCreated, PaymentCompleted
from domain.ids import OrderId, new_order_id
from domain.order import Reason
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.cloudevents import to_message
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import an_order
from tests.support.kafka_topics import Message, await_committed, messages_of, send_again
from tests.support.operators import cancel, pending_pix
from tests.support.shop import Shop
from tests.support.stack import Stack
from tests.support.waiting import eventually
from workflows.choreography_witness import witness_id

GROUPS = ("order-service", "payment-service", "inventory-service", "shipping-service", "kafka-bridge")


def published(stack: Stack, event: Event, service: str, topic: str) -> None:
    """Publish the event as the relay of another environment would, and wait until it was read."""
    recorded = RecordedEvent(
        event_id=EventId(f"{event.type}-1"), event=event, service=service, at=utc_now(), caused_by=None
    )
    sent = to_message(ORDER_EVENTS.write(recorded), None, "staging")
    message = Message(topic=topic, partition=0, offset=0, key=sent.key, value=sent.value, headers=sent.headers)
    again(stack, message)


def again(stack: Stack, message: Message) -> None:
    ends = send_again(stack.ready["kafka"], [message])
    for group in GROUPS:
        await_committed(stack.ready["kafka"], group, ends)


def buried_by(stack: Stack, order_id: str, topic: str) -> set[bytes]:
    letters = messages_of(stack.ready["kafka"], order_id, f"{topic}.dlq")
    return {dict(letter.headers)["dead_letter_group"] for letter in letters}


async def has_witness(stack: Stack, order_id: OrderId) -> bool:
    client = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
    try:
        await client.get_workflow_handle(witness_id(order_id)).describe()
    except RPCError as error:
        assert error.status is RPCStatusCode.NOT_FOUND  # noqa: PT017 - raised by Temporal, or not
        return False
    return True


@pytest.mark.usefixtures("shop")  # whose audit must find nothing
def test_events_of_another_environment_charge_no_card_and_have_no_witness(stack: Stack) -> None:
    order = an_order(order_id=new_order_id())

    published(stack, OrderCreated(order_id=order.order_id, order=order), "order-service", "orders")
    asked = OrderCancellationRequested(order_id=order.order_id, reason=Reason.TIMED_OUT)
    published(stack, asked, "order-service", "orders")

    assert buried_by(stack, order.order_id, "orders") >= {b"payment-service", b"shipping-service"}
    assert not asyncio.run(has_witness(stack, order.order_id))


@pytest.mark.parametrize("moved", [True, False], ids=["in another topic", "of another source"])
def test_a_payment_that_the_payment_service_did_not_publish_there_reserves_nothing(
    shop: Shop, stack: Stack, *, moved: bool
) -> None:
    order_id = pending_pix(shop, "choreographed")
    order = an_order(order_id=OrderId(order_id), pix=True)
    created = eventually(lambda: messages_of(stack.ready["kafka"], order_id, "orders"), "it is published")[0]
    recorded = RecordedEvent(
        event_id=EventId("forged"),
        event=PaymentCompleted(order_id=order.order_id, order=order, charge_id="ch_0"),
        service="payment-service" if moved else "shipping-service",
        at=utc_now(),
        caused_by=None,
    )
    forged = to_message(ORDER_EVENTS.write(recorded), None, dict(created.headers)["ce_installation"].decode())
    topic = "shipping" if moved else "payments"

    again(stack, replace(created, topic=topic, value=forged.value, headers=forged.headers))

    assert b"inventory-service" in buried_by(stack, order_id, topic)
    assert "inventory.reserved" not in [event["type"] for event in shop.timeline(order_id)]
    cancel(shop, order_id)
    assert shop.await_end(order_id)["payment"]["captured"] == 0
