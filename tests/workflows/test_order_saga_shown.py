"""An operator sees a running step before its service has a record of it."""

from temporalio.service import RPCError

from domain.order import OrderStatus, Step
from processes.api.saga_progress import attempts_in
from tests.support.saga_shop import SagaShop, eventually


async def away() -> None:
    raise ConnectionRefusedError("connection refused")


async def test_attempts_and_their_last_error(shop: SagaShop) -> None:
    shop.at_steps.always("charge_payment", away)
    saga = await shop.place()
    async with shop.time_passes():
        await shop.await_tries("charge_payment", 3)
        tried = await attempts_in(shop.environment.client, saga.order_id)
    shop.at_steps.mended("charge_payment")

    assert tried.keys() == {Step.CHARGE_PAYMENT}
    assert tried[Step.CHARGE_PAYMENT].attempts >= 3
    assert tried[Step.CHARGE_PAYMENT].last_error == "connection refused"
    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    assert await attempts_in(shop.environment.client, saga.order_id) == {}


async def test_a_step_in_our_own_database_is_known_to_the_workflow_only(shop: SagaShop) -> None:
    shop.at_steps.always("reserve_inventory", away)
    saga = await shop.place()
    await shop.await_tries("reserve_inventory", 2)

    async def seen() -> bool:
        try:
            return (await attempts_in(shop.environment.client, saga.order_id)).keys() == {Step.RESERVE_INVENTORY}
        except RPCError:  # a workflow answers between its tasks only, and the first attempts are within one
            return False

    await eventually(seen, "the workflow says what it tries")
    shop.at_steps.mended("reserve_inventory")

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED
