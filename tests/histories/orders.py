"""The orders whose histories are kept: one for each path through the saga."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from domain.ids import Sku
from domain.order import Card, PaymentMethod, Pix, Step
from sagas.status import SAGA_STEP
from tests.support.examples import BOOK
from tests.support.saga_shop import IN_STOCK, Saga
from workflows.order_saga import OrderSaga

Act = Callable[[Saga], Awaitable[object]]


async def _wait(saga: Saga) -> None:
    await saga.outcome()


async def _pay(saga: Saga) -> None:
    await saga.await_progress(Step.CHARGE_PAYMENT, "running")
    await saga.handle.signal(OrderSaga.payment_settled)


async def _pay_slowly(saga: Saga) -> None:
    await saga.await_search_attribute(SAGA_STEP, Step.CHARGE_PAYMENT)
    await saga.handle.signal(OrderSaga.payment_settled)


async def _cancel(saga: Saga) -> None:
    await saga.await_progress(Step.CHARGE_PAYMENT, "running")
    await saga.handle.execute_update(OrderSaga.cancel, id="cancel")


async def _cancel_by_temporal(saga: Saga) -> None:
    await saga.await_progress(Step.CHARGE_PAYMENT, "running")
    await saga.handle.cancel()


async def _retry(saga: Saga) -> None:
    await saga.await_progress(Step.REFUND_PAYMENT, "failing")
    await saga.await_attention()
    await saga.handle.execute_update(OrderSaga.retry_compensation)


@dataclass(frozen=True, kw_only=True)
class KeptOrder:
    """`act`: what happens to the order while its saga runs. `kafka_faults`: failed attempts to publish its outcome."""

    lines: tuple[tuple[Sku, int], ...] = ((BOOK, 2),)
    payment: PaymentMethod = field(default_factory=lambda: Card(token="tok_visa"))
    postal_code: str = "01310-100"
    act: Act = _wait
    kafka_faults: int = 0


KEPT = {
    "ok": KeptOrder(),
    "kafka_away": KeptOrder(kafka_faults=2),
    "unknown_sku": KeptOrder(lines=((Sku("NO-SUCH"), 1),)),
    "declined": KeptOrder(payment=Card(token="tok_chargeDeclined")),
    "out_of_stock": KeptOrder(lines=((BOOK, IN_STOCK + 1),)),
    "undeliverable": KeptOrder(postal_code="00000"),
    "flaky_gateway": KeptOrder(payment=Card(token="tok_gatewayFlaky")),
    "pix_settled": KeptOrder(payment=Pix(), act=_pay),
    "turns_slow": KeptOrder(payment=Pix(), act=_pay_slowly),
    "cancelled": KeptOrder(payment=Pix(), act=_cancel),
    "cancelled_by_temporal": KeptOrder(payment=Pix(), act=_cancel_by_temporal),
    "needs_attention": KeptOrder(payment=Card(token="tok_refundFails"), postal_code="00000", act=_retry),
}


async def ended(saga: Saga) -> None:
    """Wait for the close, also of a saga that ends as cancelled."""
    await asyncio.wait([asyncio.ensure_future(saga.outcome())])
