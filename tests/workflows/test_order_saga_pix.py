"""A pix payment: the customer pays in time, too late, or at the moment of the expiry."""

import asyncio
from datetime import timedelta

from domain.commands import SettlePayment
from domain.order import OrderStatus, Pix, Reason, Step
from services.payments.service import PIX_EXPIRY
from services.payments.store import Payment, PaymentStatus
from tests.support.saga_shop import Saga, SagaShop, eventually
from workflows.order_saga import OrderSaga


async def payment_of(shop: SagaShop, saga: Saga) -> Payment:
    payment = await asyncio.to_thread(shop.services.payments.find, saga.order_id)
    assert payment is not None
    return payment


async def waiting_for_money(shop: SagaShop) -> Saga:
    saga = await shop.place(payment=Pix())

    async def pending() -> bool:
        return "payment.pending" in await shop.events_of(saga)

    await eventually(pending, "the payment is pending")
    return saga


async def test_an_order_paid_in_time_is_confirmed(shop: SagaShop) -> None:
    saga = await waiting_for_money(shop)
    await shop.environment.sleep(PIX_EXPIRY - timedelta(seconds=1))

    await saga.handle.signal(OrderSaga.payment_settled)

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert (await payment_of(shop, saga)).captured > 0
    await shop.assert_books_right()


async def test_an_unpaid_order_is_cancelled_after_half_an_hour(shop: SagaShop) -> None:
    saga = await waiting_for_money(shop)

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.PAYMENT_EXPIRED)
    shown = await saga.handle.describe()
    assert shown.close_time is not None
    waited = shown.close_time - shown.start_time
    assert PIX_EXPIRY - timedelta(seconds=30) < waited < PIX_EXPIRY + timedelta(minutes=1)
    assert (await saga.progress())[Step.CHARGE_PAYMENT].progress == "refused"
    await shop.assert_books_right()


async def test_settling_twice_is_settling_once(shop: SagaShop) -> None:
    saga = await waiting_for_money(shop)

    await saga.handle.signal(OrderSaga.payment_settled)
    await saga.handle.signal(OrderSaga.payment_settled)

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert (await shop.events_of(saga)).count("payment.completed") == 1
    await shop.assert_books_right()


async def test_money_that_comes_before_the_charge_has_been_answered_is_not_lost(shop: SagaShop) -> None:
    placed: asyncio.Future[Saga] = asyncio.get_running_loop().create_future()

    async def pay() -> None:
        await (await placed).handle.signal(OrderSaga.payment_settled)

    shop.at_steps.once("before", "charge_payment", pay)
    saga = await shop.place(payment=Pix())
    placed.set_result(saga)

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    await shop.assert_books_right()


async def test_money_that_comes_while_an_order_is_cancelled_before_its_charge_was_answered_goes_back(
    shop: SagaShop,
) -> None:
    placed: asyncio.Future[Saga] = asyncio.get_running_loop().create_future()

    async def pay_and_cancel() -> None:
        saga = await placed
        await saga.handle.signal(OrderSaga.payment_settled)
        await saga.handle.execute_update(OrderSaga.cancel)

    shop.at_steps.once("before", "charge_payment", pay_and_cancel)
    saga = await shop.place(payment=Pix())
    placed.set_result(saga)

    assert (await saga.outcome()).reason is Reason.CANCELLED_BY_CUSTOMER
    assert shop.at_steps.tries["settle_payment"] == 1
    await shop.assert_books_right()


async def test_when_settlement_and_expiry_coincide_one_wins_and_no_money_is_lost(shop: SagaShop) -> None:
    saga = await waiting_for_money(shop)

    async def pay() -> None:
        await saga.handle.signal(OrderSaga.payment_settled)

        async def settled() -> bool:
            return shop.at_steps.tries["settle_payment"] > 0

        await eventually(settled, "the settlement is being booked")

    shop.at_steps.once("before", "abort_payment", pay)
    outcome = await saga.outcome()

    payment = await payment_of(shop, saga)
    held = payment.captured - payment.refunded
    assert (outcome.status is OrderStatus.CONFIRMED) == (held > 0)
    await shop.assert_books_right()


async def test_money_that_comes_after_the_expiry_goes_back(shop: SagaShop) -> None:
    saga = await waiting_for_money(shop)

    async def pay() -> None:
        await saga.handle.signal(OrderSaga.payment_settled)

    shop.at_steps.once("after", "abort_payment", pay)
    outcome = await saga.outcome()

    assert outcome.reason is Reason.PAYMENT_EXPIRED
    assert shop.at_steps.tries["settle_payment"] == 1
    payment = await payment_of(shop, saga)
    assert payment.captured == payment.refunded
    await shop.assert_books_right()


async def test_a_cancelled_pix_order_gives_back_what_is_paid_later(shop: SagaShop) -> None:
    saga = await waiting_for_money(shop)
    await saga.handle.execute_update(OrderSaga.cancel)
    assert (await saga.outcome()).reason is Reason.CANCELLED_BY_CUSTOMER

    await asyncio.to_thread(shop.services.payments.settle, SettlePayment(order_id=saga.order_id))

    payment = await payment_of(shop, saga)
    assert payment.captured == payment.refunded
    assert payment.status is not PaymentStatus.CAPTURED
    await shop.assert_books_right()


async def test_the_saga_does_not_end_while_money_is_being_booked(shop: SagaShop) -> None:
    saga = await waiting_for_money(shop)

    async def away_three_times() -> None:
        if shop.at_steps.tries["settle_payment"] <= 3:
            raise ConnectionRefusedError("connection refused")

    async def pay() -> None:
        await saga.handle.signal(OrderSaga.payment_settled)

    shop.at_steps.always("settle_payment", away_three_times)
    shop.at_steps.once("before", "refund_payment", pay)
    await saga.handle.execute_update(OrderSaga.cancel)

    assert (await saga.outcome()).reason is Reason.CANCELLED_BY_CUSTOMER
    assert shop.at_steps.tries["settle_payment"] == 4
    payment = await payment_of(shop, saga)
    assert payment.captured == payment.refunded
    await shop.assert_books_right()
