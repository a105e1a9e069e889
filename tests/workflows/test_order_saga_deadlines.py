"""A service that is away delays the saga; past the deadline of a step or of the order, the order is undone."""

from datetime import timedelta

import pytest

from domain.order import OrderStatus, Pix, Reason, Step
from tests.support.saga_shop import SagaShop
from workflows.options import LOCAL_STEP, ORDER_DEADLINE

STEP_DEADLINE = timedelta(minutes=5)
REMOTE = ["charge_payment", "schedule_shipping"]
LOCAL = ["create_order", "reserve_inventory"]


async def away() -> None:
    raise ConnectionRefusedError("connection refused")


@pytest.mark.parametrize("step", [*REMOTE, *LOCAL])
async def test_a_step_whose_service_comes_back_in_time_goes_on(shop: SagaShop, step: str) -> None:
    async def away_five_times() -> None:
        if shop.at_steps.tries[step] <= 5:
            await away()

    shop.at_steps.always(step, away_five_times)
    saga = await shop.place()

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert shop.at_steps.tries[step] == 6
    await shop.assert_books_right()


async def test_the_payment_database_itself_may_be_away_for_a_while(shop: SagaShop) -> None:
    with shop.away(shop.services.databases.payments, "payments"):
        saga = await shop.place()
        await shop.await_tries("charge_payment", 3)
        assert (await saga.progress())[Step.CHARGE_PAYMENT].progress == "running"

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    await shop.assert_books_right()


@pytest.mark.parametrize("step", REMOTE)
async def test_a_step_whose_service_stays_away_is_given_up_after_five_minutes(shop: SagaShop, step: str) -> None:
    shop.at_steps.always(step, away)
    saga = await shop.place()

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.TIMED_OUT)
    assert STEP_DEADLINE - timedelta(seconds=30) < await saga.took() < STEP_DEADLINE + timedelta(minutes=1)
    await shop.assert_books_right()


@pytest.mark.parametrize("step", LOCAL)
async def test_a_step_in_our_own_database_is_given_up_too(
    shop: SagaShop, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worker's own clock measures the deadline of a local activity, and the test server cannot skip it.
    assert LOCAL_STEP["schedule_to_close_timeout"] == STEP_DEADLINE
    monkeypatch.setitem(LOCAL_STEP, "schedule_to_close_timeout", timedelta(seconds=1))
    shop.at_steps.always(step, away)
    saga = await shop.place()

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.TIMED_OUT)
    assert await saga.took() < STEP_DEADLINE
    await shop.assert_books_right()


@pytest.mark.parametrize("pix_expiry", [ORDER_DEADLINE * 2])
async def test_past_the_order_s_deadline_it_is_undone_whatever_it_waits_for(shop: SagaShop) -> None:
    saga = await shop.place(payment=Pix())

    outcome = await saga.outcome()

    assert (outcome.status, outcome.reason) == (OrderStatus.CANCELLED, Reason.TIMED_OUT)
    assert ORDER_DEADLINE <= await saga.took() < ORDER_DEADLINE + timedelta(minutes=1)
    await shop.assert_books_right()


async def test_past_the_pivot_no_deadline_turns_the_order_back(shop: SagaShop) -> None:
    shop.at_steps.always("confirm_order", away)
    saga = await shop.place()
    await saga.await_progress(Step.CONFIRM_ORDER, "running")
    await shop.environment.sleep(ORDER_DEADLINE + timedelta(minutes=1))
    shop.at_steps.mended("confirm_order")

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert await saga.took() > ORDER_DEADLINE
    await shop.assert_books_right()
