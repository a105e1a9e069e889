"""The faults: what is broken, when, and by which means, the same for both styles."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from comparison.stack import StackControl
from domain.order import SagaStyle, Step
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE

OUTAGE_S = 10.0
COPIES = 5
"""So often a customer's call is sent in the storm of duplicates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """When the fault began and when its cause was gone. For a kill both are the moment of the kill."""

    began: datetime
    ended: datetime


class Scene(Protocol):
    """The orders that a fault is to meet."""

    @property
    def style(self) -> SagaStyle: ...

    @property
    def machinery(self) -> StackControl: ...

    async def place(self, *, copies: int = 1) -> None:
        """Place all of them; with copies, each call so often at once under one idempotency key."""
        ...

    async def recorded(self, event_type: str) -> None:
        """Wait until each of them has come so far."""
        ...

    async def ended(self) -> None: ...

    async def repeat(self) -> None:
        """Let the engine hear all of it again."""
        ...


Fault = Callable[[Scene], Awaitable[Struck | None]]
"""Plays it; returns None where there is nothing to recover from."""

_SERVICE_OF: Mapping[Step, str] = {
    Step.CREATE_ORDER: ORDER_SERVICE,
    Step.CHARGE_PAYMENT: PAYMENT_SERVICE,
    Step.RESERVE_INVENTORY: INVENTORY_SERVICE,
    Step.SCHEDULE_SHIPPING: SHIPPING_SERVICE,
    Step.CONFIRM_ORDER: ORDER_SERVICE,
}


def doer_of(step: Step, style: SagaStyle) -> str:
    """The process that does the step: one worker does all of an orchestrated order, a consumer each of the other's."""
    return "saga-worker" if style is SagaStyle.ORCHESTRATED else _SERVICE_OF[step]


def _now() -> datetime:
    return datetime.now(UTC)


async def gateway_silent(scene: Scene) -> Struck:
    began = _now()
    async with scene.machinery.held("gateway"):
        await scene.place()
        await asyncio.sleep(OUTAGE_S - (_now() - began).total_seconds())
    return Struck(began=began, ended=_now())


async def payments_frozen(scene: Scene) -> Struck:
    began = _now()
    async with scene.machinery.frozen(doer_of(Step.CHARGE_PAYMENT, scene.style)):
        await scene.place()
        await asyncio.sleep(OUTAGE_S - (_now() - began).total_seconds())
    return Struck(began=began, ended=_now())


async def killed_before_creating(scene: Scene) -> Struck:
    """Freeze it first, so that what it was to do is sent and not yet begun."""
    victim = doer_of(Step.CREATE_ORDER, scene.style)
    async with scene.machinery.frozen(victim):
        await scene.place()
        killed = await scene.machinery.kill(victim)
    return Struck(began=killed, ended=killed)


def killed_while(step: Step, *, database: str, after: str) -> Fault:
    """Kill whoever does the step, while the database behind it has taken the call and does not answer."""

    async def strike(scene: Scene) -> Struck:
        async with scene.machinery.held(database):
            await scene.place()
            await scene.recorded(after)
            killed = await scene.machinery.kill(doer_of(step, scene.style))
        return Struck(began=killed, ended=killed)

    return strike


async def killed_while_confirming(scene: Scene) -> Struck:
    """The orders' own database is held only once they are past creation: placing them writes to it."""
    async with AsyncExitStack() as confirming:
        async with scene.machinery.held("inventory"):
            await scene.place()
            await scene.recorded("payment.completed")
            await confirming.enter_async_context(scene.machinery.held("orders"))
        await scene.recorded("shipping.scheduled")
        killed = await scene.machinery.kill(doer_of(Step.CONFIRM_ORDER, scene.style))
    return Struck(began=killed, ended=killed)


def engine_killed(engine: str) -> Fault:
    """Kill it while every order is being charged."""

    async def strike(scene: Scene) -> Struck:
        async with scene.machinery.held("gateway"):
            await scene.place()
            await scene.recorded("order.created")
            killed = await scene.machinery.kill(engine)
        return Struck(began=killed, ended=killed)

    return strike


async def duplicate_storm(scene: Scene) -> None:
    """Every call comes five times; the engine hears everything again under way, and again after the end."""
    await scene.place(copies=COPIES)
    await scene.repeat()
    await scene.ended()
    await scene.repeat()
