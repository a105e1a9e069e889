"""The faults: one script each, the same for both styles.

A script first brings every order to the same step and holds it there, by a write lock on the database behind that step.
Only then does it break something. So the fault meets all orders of a block in one state, however fast the machine is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime

from comparison.order_block import OrderBlock
from domain.order import SagaStyle, Step
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE

OUTAGE_S = 10.0
COPIES = 5
"""Identical calls for each order in the storm of duplicates."""

Fault = Callable[[OrderBlock], Awaitable[datetime | None]]
"""Plays the fault. Returns when its cause was gone (for a kill: the signal), or None if it needs no recovery."""

_SERVICE_OF: Mapping[Step, str] = {
    Step.CREATE_ORDER: ORDER_SERVICE,
    Step.CHARGE_PAYMENT: PAYMENT_SERVICE,
    Step.RESERVE_INVENTORY: INVENTORY_SERVICE,
    Step.SCHEDULE_SHIPPING: SHIPPING_SERVICE,
    Step.CONFIRM_ORDER: ORDER_SERVICE,
}
_WRITES: Mapping[Step, tuple[str, str]] = {
    Step.CHARGE_PAYMENT: ("gateway", "order.created"),
    Step.RESERVE_INVENTORY: ("inventory", "payment.completed"),
    Step.SCHEDULE_SHIPPING: ("shipping", "inventory.reserved"),
}
"""The database that a step writes to, and the event before the step: an order that has recorded it is in the step."""


def process_of(step: Step, style: SagaStyle) -> str:
    """Return the process that runs the step: the one worker (orchestrated), or the step's service (choreographed)."""
    return "saga-worker" if style is SagaStyle.ORCHESTRATED else _SERVICE_OF[step]


async def gateway_silent(orders: OrderBlock) -> datetime:
    return await _placed_during(orders.control.write_locked("gateway"), orders)


async def payments_frozen(orders: OrderBlock) -> datetime:
    return await _placed_during(orders.control.suspended(process_of(Step.CHARGE_PAYMENT, orders.style)), orders)


async def _placed_during(outage: AbstractAsyncContextManager[None], orders: OrderBlock) -> datetime:
    """Place the orders in an outage of OUTAGE_S."""
    end = time.monotonic() + OUTAGE_S
    async with outage:
        await orders.place()
        await asyncio.sleep(end - time.monotonic())
    return datetime.now(UTC)


async def killed_before_creating(orders: OrderBlock) -> datetime:
    victim = process_of(Step.CREATE_ORDER, orders.style)
    # Suspended first, so that its input is delivered and not yet processed when the kill comes.
    async with orders.control.suspended(victim):
        await orders.place()
        return await orders.control.kill(victim)


def killed_during(step: Step, engine: str | None = None) -> Fault:
    """Kill the step's process, or this engine, while the step waits for the write lock of its database."""
    database, event_before = _WRITES[step]

    async def fault(orders: OrderBlock) -> datetime:
        async with orders.control.write_locked(database):
            await orders.place()
            await orders.wait_for_event(event_before)
            # Kill before the lock is released: no order can complete the step between the two.
            return await orders.control.kill(engine or process_of(step, orders.style))

    return fault


async def killed_while_confirming(orders: OrderBlock) -> datetime:
    # Placing and confirming write to the same database. So the inventory holds the orders between the two first.
    async with AsyncExitStack() as confirming:
        async with orders.control.write_locked("inventory"):
            await orders.place()
            await orders.wait_for_event("payment.completed")
            await confirming.enter_async_context(orders.control.write_locked("orders"))
        await orders.wait_for_event("shipping.scheduled")
        return await orders.control.kill(process_of(Step.CONFIRM_ORDER, orders.style))


async def duplicate_storm(orders: OrderBlock) -> None:
    """Send every call five times, and deliver the engine's input again during the orders and after their end."""
    await orders.place(copies=COPIES)
    await orders.redeliver()
    await orders.wait_until_finished()
    await orders.redeliver()
