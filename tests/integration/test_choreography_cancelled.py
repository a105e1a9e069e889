"""A customer may cancel at any moment. Shipping, which owns the pivot, decides, and the other services follow."""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.problems import NotPossibleNow
from domain.ids import OrderId
from domain.order import Card, PaymentMethod, Pix, Reason
from processes.api.order_control import ChoreographedControl
from services.orders.store import Stage
from tests.support.choreography_in_threads import OPENERS, SKU, Choreography
from tests.support.waiting import eventually

SEED = 20_261_124
UNDELIVERABLE = "00000"


def conductor_of(choreography: Choreography) -> ChoreographedControl:
    return ChoreographedControl(services=choreography.services)


async def cancel(choreography: Choreography, order_id: OrderId) -> bool:
    """Request a cancellation as the API does. Return whether it is accepted."""
    try:
        await conductor_of(choreography).cancel(order_id)
    except NotPossibleNow:
        return False
    return True


def start_all_but(choreography: Choreography, running: Sequence[str]) -> None:
    choreography.start(*(name for name in OPENERS if name not in running))


@pytest.mark.parametrize(
    ("running", "stands_at"),
    [
        ([], "order.requested"),
        (["order-service"], "order.created"),
        (["order-service", "payment-service"], "payment.completed"),
    ],
)
async def test_an_order_that_is_cancelled_before_the_pivot_is_undone(
    choreography: Choreography, running: list[str], stands_at: str
) -> None:
    if running:
        choreography.start(*running)
    order_id = choreography.place()
    choreography.await_event(order_id, stands_at)

    assert await cancel(choreography, order_id)
    first = {"order-service", "shipping-service"} - set(running)
    choreography.start(*first)
    choreography.await_event(order_id, "shipping.cancelled")
    start_all_but(choreography, [*running, *first])

    end = choreography.await_end(order_id)
    assert (end.stage, end.reason) == (Stage.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
    assert "shipping.scheduled" not in choreography.timeline(order_id)
    choreography.await_books_right()
    stock = choreography.services.inventory.stock_of(SKU)
    assert stock is not None
    assert (stock.reserved, stock.sold) == (0, 0)


async def test_at_the_pivot_shipping_decides_about_a_cancellation(choreography: Choreography) -> None:
    choreography.start("order-service", "payment-service", "inventory-service")
    order_id = choreography.place()
    choreography.await_event(order_id, "inventory.reserved")
    assert await cancel(choreography, order_id)
    eventually(lambda: not choreography.waiting_in_outboxes(), "shipping has two messages to choose from")

    choreography.start("shipping-service")

    end = choreography.await_end(order_id)
    said = [event for event in choreography.timeline(order_id) if event.startswith("shipping.")]
    assert (said, end.stage, end.reason) in [
        (["shipping.cancelled"], Stage.CANCELLED, Reason.CANCELLED_BY_CUSTOMER),
        (["shipping.scheduled"], Stage.CONFIRMED, None),
    ]
    choreography.await_books_right()


async def test_an_unpaid_pix_order_can_be_cancelled(choreography: Choreography) -> None:
    choreography.start()
    order_id = choreography.place(Pix())
    choreography.await_event(order_id, "payment.pending")

    assert await cancel(choreography, order_id)

    end = choreography.await_end(order_id)
    assert (end.stage, end.reason) == (Stage.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
    choreography.await_books_right()


async def test_an_accepted_cancellation_that_the_pivot_overtakes_leaves_a_confirmed_order(
    choreography: Choreography,
) -> None:
    choreography.start("order-service", "payment-service", "inventory-service")
    order_id = choreography.place()
    choreography.await_event(order_id, "inventory.reserved")
    choreography.stop("order-service")  # whose relay would publish the request

    assert await cancel(choreography, order_id)
    choreography.start("shipping-service")
    choreography.await_event(order_id, "shipping.scheduled")
    assert not await cancel(choreography, order_id)
    choreography.start("order-service")

    assert choreography.await_end(order_id).stage is Stage.CONFIRMED
    choreography.await_books_right()
    assert "order.cancellation_requested" in choreography.timeline(order_id)
    assert "shipping.cancelled" not in choreography.timeline(order_id)


@pytest.mark.parametrize(
    ("running", "stands_at"),
    [
        (["order-service", "payment-service", "inventory-service", "shipping-service"], "shipping.failed"),
        (["order-service", "payment-service"], "payment.completed"),
    ],
)
async def test_an_order_that_is_being_undone_can_be_cancelled_too(
    choreography: Choreography, running: list[str], stands_at: str
) -> None:
    choreography.start(*running)
    order_id = choreography.place(Card(token="tok_refundFlaky"), postal_code=UNDELIVERABLE)
    choreography.await_event(order_id, stands_at)

    await cancel(choreography, order_id)
    start_all_but(choreography, running)

    end = choreography.await_end(order_id)
    assert end.stage is Stage.CANCELLED
    assert end.reason in {Reason.CANCELLED_BY_CUSTOMER, Reason.UNDELIVERABLE_ADDRESS}
    choreography.await_books_right()


async def test_at_every_moment_a_cancellation_leaves_a_consistent_order(choreography: Choreography) -> None:
    """Each order is cancelled after a number of its events, which the seed determines."""
    choose = random.Random(SEED)  # noqa: S311 - a test's choice
    choreography.start()
    payments: list[PaymentMethod] = [Card(token="tok_visa"), Card(token="tok_gatewayFlaky")]

    with ThreadPoolExecutor(4) as customers:
        cancelled = [
            customers.submit(_place_and_cancel, choreography, choose.choice(payments), choose.randrange(1, 6))
            for _ in range(40)
        ]
        asked = [each.result() for each in cancelled]

    ends = [choreography.await_end(order_id, 60.0) for order_id, _ in asked]
    for (_, accepted), end in zip(asked, ends, strict=True):
        possible = {(Stage.CONFIRMED, None)} | (
            {(Stage.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)} if accepted else set()
        )
        assert (end.stage, end.reason) in possible, f"seed {SEED}"
    assert {end.stage for end in ends} == {Stage.CONFIRMED, Stage.CANCELLED}, "the seed covers both ends"
    choreography.await_books_right()


def _place_and_cancel(choreography: Choreography, payment: PaymentMethod, after: int) -> tuple[OrderId, bool]:
    order_id = choreography.place(payment)
    eventually(lambda: len(choreography.timeline(order_id)) >= after, f"{after} events are recorded", every_s=0.001)
    return order_id, asyncio.run(cancel(choreography, order_id))
