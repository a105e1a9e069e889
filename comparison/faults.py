"""The faults: one script each, the same for both styles.

A script first brings every order to the same step and holds it there, by a write lock on the database behind that step.
Only then does it break something. So the fault meets all orders of a block in one state, however fast the machine is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from comparison.order_block import OrderBlock
from domain.order import SagaStyle, Step
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE

OUTAGE_S = 10.0
COPIES = 5
"""Identical calls for each order in the storm of duplicates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWindow:
    """When the fault began and when its cause was gone. For a kill both are the time of the signal."""

    began: datetime
    ended: datetime


Fault = Callable[[OrderBlock], Awaitable[FaultWindow | None]]
"""Plays the fault. Returns None if there is nothing to recover from."""

_SERVICE_OF: Mapping[Step, str] = {
    Step.CREATE_ORDER: ORDER_SERVICE,
    Step.CHARGE_PAYMENT: PAYMENT_SERVICE,
    Step.RESERVE_INVENTORY: INVENTORY_SERVICE,
    Step.SCHEDULE_SHIPPING: SHIPPING_SERVICE,
    Step.CONFIRM_ORDER: ORDER_SERVICE,
}


def process_of(step: Step, style: SagaStyle) -> str:
    """Return the process that runs the step: the one worker (orchestrated), or the step's service (choreographed)."""
    return "saga-worker" if style is SagaStyle.ORCHESTRATED else _SERVICE_OF[step]


async def gateway_silent(orders: OrderBlock) -> FaultWindow:
    began = _now()
    async with orders.control.write_locked("gateway"):
        await orders.place()
        await _sleep_until_outage_ends(began)
    return FaultWindow(began=began, ended=_now())


async def payments_frozen(orders: OrderBlock) -> FaultWindow:
    began = _now()
    async with orders.control.suspended(process_of(Step.CHARGE_PAYMENT, orders.style)):
        await orders.place()
        await _sleep_until_outage_ends(began)
    return FaultWindow(began=began, ended=_now())


async def killed_before_creating(orders: OrderBlock) -> FaultWindow:
    victim = process_of(Step.CREATE_ORDER, orders.style)
    # Suspended first, so that its input is delivered and not yet processed when the kill comes.
    async with orders.control.suspended(victim):
        await orders.place()
        killed_at = await orders.control.kill(victim)
    return FaultWindow(began=killed_at, ended=killed_at)


def killed_while(step: Step, *, database: str, after: str) -> Fault:
    """Kill the step's process while its call waits for the write lock of `database`.

    Args:
        step: the step that is interrupted.
        database: where the step writes.
        after: type of the event before the step. Once every order has recorded it, all of them are in the step.
    """

    async def fault(orders: OrderBlock) -> FaultWindow:
        async with orders.control.write_locked(database):
            await orders.place()
            await orders.wait_for_event(after)
            killed_at = await orders.control.kill(process_of(step, orders.style))
        return FaultWindow(began=killed_at, ended=killed_at)

    return fault


async def killed_while_confirming(orders: OrderBlock) -> FaultWindow:
    # Placing and confirming write to the same database. So the inventory holds the orders between the two first.
    async with AsyncExitStack() as confirming:
        async with orders.control.write_locked("inventory"):
            await orders.place()
            await orders.wait_for_event("payment.completed")
            await confirming.enter_async_context(orders.control.write_locked("orders"))
        await orders.wait_for_event("shipping.scheduled")
        killed_at = await orders.control.kill(process_of(Step.CONFIRM_ORDER, orders.style))
    return FaultWindow(began=killed_at, ended=killed_at)


def engine_killed(engine: str) -> Fault:
    """Kill the engine while every order is being charged."""

    async def fault(orders: OrderBlock) -> FaultWindow:
        async with orders.control.write_locked("gateway"):
            await orders.place()
            await orders.wait_for_event("order.created")
            killed_at = await orders.control.kill(engine)
        return FaultWindow(began=killed_at, ended=killed_at)

    return fault


async def duplicate_storm(orders: OrderBlock) -> None:
    """Send every call five times, and deliver the engine's input again during the orders and after their end."""
    await orders.place(copies=COPIES)
    await orders.redeliver()
    await orders.wait_until_finished()
    await orders.redeliver()


def _now() -> datetime:
    return datetime.now(UTC)


async def _sleep_until_outage_ends(began: datetime) -> None:
    await asyncio.sleep(OUTAGE_S - (_now() - began).total_seconds())
