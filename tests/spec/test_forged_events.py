"""Events on the right topic, in the name of its speaker, that the speaker never published: docs/security.md."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from temporalio.client import Client, WorkflowFailureError

from adapters.clock import utc_now
from comparison.scenarios import SCENARIOS
from domain.commands import PlaceOrder
from domain.events import Event, OrderCreated, PaymentCompleted
from domain.ids import OrderId, Sku, new_order_id
from domain.money import Money
from domain.order import Order, SagaStyle
from messaging.events import RecordedEvent
from messaging.kafka.cloudevents import INSTALLATION, to_message
from runtime.wiring import Services, open_services
from services.payments.store import PaymentStatus
from services.vocabulary import ORDER_EVENTS, event_id_of
from tests.support.examples import a_request, an_order
from tests.support.kafka_topics import Message, messages_of, send_again
from tests.support.operators import pay, pending_pix
from tests.support.shop import Shop
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually
from workflows.order_saga import workflow_id


@pytest.fixture
def services(stack: Stack) -> Iterator[Services]:
    with closing(open_services(stack.settings(), publish=False)) as services:
        yield services


def installation_of(stack: Stack, shop: Shop) -> str:
    """The name that every event carries, read from a good one: whoever may write to a topic can copy it."""
    order_id = shop.place(shop.prepared(SCENARIOS["ok"]), "choreographed")
    shop.await_end(order_id)
    found = eventually(lambda: messages_of(stack.ready["kafka"], order_id, "orders"), "it is published")[0]
    return dict(found.headers)[INSTALLATION].decode()


def forge(stack: Stack, shop: Shop, event: Event, service: str, topic: str) -> None:
    recorded = RecordedEvent(
        event_id=event_id_of(event.order_id, event.type), event=event, service=service, at=utc_now(), caused_by=None
    )
    sent = to_message(ORDER_EVENTS.write(recorded), None, installation_of(stack, shop))
    send_again(
        stack.ready["kafka"],
        [Message(topic=topic, partition=0, offset=0, key=sent.key, value=sent.value, headers=sent.headers)],
    )


def invented(shop: Shop, *, pix: bool = False) -> Order:
    """An order of a product that is in stock, which nobody has placed."""
    line = shop.prepared(SCENARIOS["ok"])["lines"][0]
    price = Money(amount=shop.product(line["sku"])["unit_price"]["amount"], currency="BRL")
    return an_order((Sku(line["sku"]), line["quantity"]), price=price, pix=pix)


def broken(shop: Shop, order_id: str) -> set[str]:
    found: list[Json] = shop.audit()["broken"]
    return {each["invariant"] for each in found if each["order_id"] == order_id}


def test_an_order_that_nobody_placed_takes_no_money_and_no_pieces(shop: Shop, stack: Stack, services: Services) -> None:
    order = invented(shop, pix=True)
    sku = order.lines[0].sku
    on_hand = shop.product(sku)["on_hand"]

    forge(stack, shop, OrderCreated(order_id=order.order_id, order=order), "order-service", "orders")

    def undone() -> bool:
        payment = services.payments.find(order.order_id)
        return payment is not None and payment.status is PaymentStatus.VOIDED

    eventually(undone, "the payment is undone")
    eventually(lambda: shop.product(sku)["on_hand"] == on_hand, "its pieces are back")
    assert shop.client.get(f"/orders/{order.order_id}").status_code == 404


@pytest.mark.parametrize("copied", [False, True], ids=["plain", "copied"])
def test_a_card_is_not_charged_for_an_order_that_nobody_placed(
    shop: Shop, stack: Stack, services: Services, *, copied: bool
) -> None:
    order = invented(shop)
    if copied:
        placed = services.orders.find(OrderId(shop.place(shop.prepared(SCENARIOS["ok"]), "choreographed")))
        order = replace(order, payment=placed.request.payment)

    forge(stack, shop, OrderCreated(order_id=order.order_id, order=order), "order-service", "orders")

    letter = eventually(lambda: messages_of(stack.ready["kafka"], order.order_id, "orders.dlq") or None, "it is dead")[
        0
    ]
    assert dict(letter.headers)["dead_letter_error"] == b"BrokenSeal"
    assert services.payments.find(order.order_id) is None


@pytest.mark.usefixtures("shop")  # whose audit must find nothing
def test_an_order_that_nobody_placed_has_no_saga_that_charges_it(stack: Stack, services: Services) -> None:
    async def start() -> None:
        client = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
        request, queue = a_request(order_id=new_order_id()), stack.settings().temporal_task_queue
        name = workflow_id(request.order_id)
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow("OrderSaga", request, id=name, task_queue=queue)
        assert services.payments.find(request.order_id) is None

    asyncio.run(start())


def test_a_card_that_no_entrance_has_sealed_is_not_charged_by_a_saga(shop: Shop, services: Services) -> None:
    line = shop.prepared(SCENARIOS["ok"])["lines"][0]
    request = a_request((Sku(line["sku"]), line["quantity"]))

    services.orders.place(PlaceOrder(request=request, style=SagaStyle.ORCHESTRATED, fingerprint="of a forged row"))

    ended = shop.await_end(request.order_id)
    assert (ended["status"], ended["reason"], ended["payment"]["captured"]) == ("cancelled", "timed_out", 0)


def test_the_audit_names_an_order_whose_payment_was_forged(
    shop: Shop, stack: Stack, services: Services, style: str
) -> None:
    order_id = OrderId(pending_pix(shop, style))
    order = services.orders.find(order_id).order
    assert order is not None

    event = PaymentCompleted(order_id=order_id, order=order, charge_id="ch_forged")
    forge(stack, shop, event, "payment-service", "payments")

    eventually(lambda: shop.order(order_id)["status"] == "confirmed", "the order is confirmed")
    assert "a confirmed order has one captured charge of its total" in broken(shop, order_id)
    pay(shop, order_id)
    eventually(lambda: shop.order(order_id)["payment"]["captured"] == order.total.amount, "it is paid after all")
