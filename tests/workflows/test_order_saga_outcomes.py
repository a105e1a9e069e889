"""How an order ends, and in which order its compensations run."""

import asyncio

import pytest

from domain.ids import Sku
from domain.order import Card, OrderStatus, PaymentMethod, Pix, Reason, Step
from sagas.status import SAGA_STATUS, SAGA_STEP, SAGA_STYLE
from services.inventory.store import ReservationStatus
from tests.support.examples import BOOK, FREE, LAMP
from tests.support.saga_shop import IN_STOCK, SagaShop
from workflows.order_attributes import ORDER_ID

CREATED = ["order.requested", "order.created"]
CHARGED = [*CREATED, "payment.completed"]
RESERVED = [*CHARGED, "inventory.reserved"]
CONFIRMED = [*RESERVED, "shipping.scheduled", "order.confirmed"]


async def test_an_order_is_confirmed_and_its_pieces_are_sold(shop: SagaShop) -> None:
    saga = await shop.place((BOOK, 2), (LAMP, 1))

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CONFIRMED, None)
    assert await shop.events_of(saga) == CONFIRMED
    reservation = await asyncio.to_thread(shop.services.inventory.find, saga.order_id)
    assert reservation is not None
    assert reservation.status is ReservationStatus.SOLD
    assert {step.progress for step in (await saga.progress()).values()} == {"done"}
    await shop.assert_books_right()


@pytest.mark.parametrize(
    ("order", "reason", "events"),
    [
        ({"token": "tok_chargeDeclined"}, Reason.PAYMENT_DECLINED, [*CREATED, "payment.failed"]),
        ({"token": "tok_insufficientFunds"}, Reason.INSUFFICIENT_FUNDS, [*CREATED, "payment.failed"]),
        (
            {"postal_code": "00000"},
            Reason.UNDELIVERABLE_ADDRESS,
            [*RESERVED, "shipping.failed", "inventory.released", "payment.refunded"],
        ),
    ],
)
async def test_a_refusal_undoes_in_reverse_what_was_done_before(
    shop: SagaShop, order: dict[str, str], reason: Reason, events: list[str]
) -> None:
    saga = await shop.place(**order)  # type: ignore[arg-type]

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, reason)
    assert await shop.events_of(saga) == [*events, "order.cancelled"]
    await shop.assert_books_right()


async def test_too_little_stock_of_one_line_reserves_nothing_and_gives_the_money_back(shop: SagaShop) -> None:
    saga = await shop.place((BOOK, 1), (LAMP, IN_STOCK + 1))

    outcome = await saga.outcome()

    assert outcome.reason is Reason.OUT_OF_STOCK
    assert await shop.events_of(saga) == [*CHARGED, "inventory.failed", "payment.refunded", "order.cancelled"]
    stock = await asyncio.to_thread(shop.services.inventory.stock_of, BOOK)
    assert stock is not None
    assert (stock.on_hand, stock.reserved) == (IN_STOCK, 0)
    await shop.assert_books_right()


async def test_an_unknown_sku_ends_the_order_before_any_money_is_taken(shop: SagaShop) -> None:
    saga = await shop.place((Sku("NO-SUCH"), 1))

    assert (await saga.outcome()).reason is Reason.UNKNOWN_SKU
    assert await shop.events_of(saga) == ["order.requested", "order.cancelled"]
    assert (await saga.progress())[Step.CREATE_ORDER].progress == "refused"
    await shop.assert_books_right()


@pytest.mark.parametrize("payment", [Card(token="tok_visa"), Card(token="tok_chargedThenTimeout"), Pix()])
async def test_an_order_of_total_0_is_confirmed_without_a_charge(shop: SagaShop, payment: PaymentMethod) -> None:
    await asyncio.to_thread(shop.services.orders.set_price, BOOK, FREE)

    saga = await shop.place((BOOK, 2), payment=payment)

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert await shop.events_of(saga) == CONFIRMED
    await shop.assert_books_right()


async def test_a_flaky_gateway_is_retried_until_it_answers(shop: SagaShop) -> None:
    saga = await shop.place(token="tok_gatewayFlaky")

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert shop.at_steps.tries["charge_payment"] == 3
    await shop.assert_books_right()


async def test_a_charge_whose_answer_was_lost_is_found_and_not_repeated(shop: SagaShop) -> None:
    saga = await shop.place(token="tok_chargedThenTimeout")

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert shop.at_steps.tries["charge_payment"] == 2
    await shop.assert_books_right()


async def test_a_flaky_refund_is_retried_without_an_operator(shop: SagaShop) -> None:
    saga = await shop.place(token="tok_refundFlaky", postal_code="00000")

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.UNDELIVERABLE_ADDRESS)
    assert shop.at_steps.tries["refund_payment"] == 3
    await shop.assert_books_right()


async def test_a_lost_answer_of_the_pivot_finds_the_same_shipment(shop: SagaShop) -> None:
    async def lose_the_answer() -> None:
        raise ConnectionResetError

    shop.at_steps.once("after", "schedule_shipping", lose_the_answer)
    saga = await shop.place()

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert await shop.events_of(saga) == CONFIRMED
    await shop.assert_books_right()


async def test_the_end_is_searchable_and_contains_no_personal_data(shop: SagaShop) -> None:
    saga = await shop.place(postal_code="00000")
    await saga.outcome()

    shown = await saga.handle.describe()

    attributes = shown.typed_search_attributes
    assert attributes[SAGA_STYLE] == "orchestrated"
    assert attributes[SAGA_STATUS] == "cancelled"
    assert attributes[SAGA_STEP] == "cancel_order"
    assert attributes[ORDER_ID] == saga.order_id
    assert await shown.static_summary() == "order of 1 line, paid by card"
