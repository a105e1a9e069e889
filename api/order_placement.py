"""Accepts orders: one write, and only while the engine that is to run the order answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool

from api.dependencies import Dependencies
from api.errors import away
from domain.commands import PlaceOrder
from domain.errors import Fault, KeyReused, UnknownOrder
from domain.order import SagaStyle

log = structlog.get_logger()

ATTEMPTS = 2
"""Of a write that collides with another: the second sees what the first of them wrote."""


@dataclass(frozen=True, slots=True)
class Placing:
    dependencies: Dependencies

    async def place(self, commands: Sequence[PlaceOrder]) -> None:
        """Take all of them in, or none that is not in already.

        A single choreographed order is written at once: the write itself finds out whether it is in already, or its
        id was used for another.

        Raises:
            KeyReused: one of the ids was placed before with another body.
            EngineAway: nothing was written.
        """
        at_once = len(commands) == 1 and not _needs_temporal(commands)
        new = commands if at_once else await self._checked(commands)
        await run_in_threadpool(self._write, new)
        for command in commands:
            if command.style is SagaStyle.ORCHESTRATED:
                await self._start(command)

    async def _checked(self, commands: Sequence[PlaceOrder]) -> Sequence[PlaceOrder]:
        """Return those that are not in already, with an engine that answers for each of them."""
        unknown = await run_in_threadpool(self._unknown, commands)
        if _needs_temporal(unknown) and not await self.dependencies.starter.answers():
            raise away("Temporal", "nothing was written")
        return unknown

    def _unknown(self, commands: Sequence[PlaceOrder]) -> Sequence[PlaceOrder]:
        return [command for command in commands if not self._is_placed(command)]

    def _is_placed(self, command: PlaceOrder) -> bool:
        try:
            found = self.dependencies.order_records.find(command.request.order_id)
        except UnknownOrder:
            return False
        if found.fingerprint != command.fingerprint:
            raise KeyReused(command.request.order_id)
        return True

    def _write(self, commands: Sequence[PlaceOrder]) -> None:
        for command in commands:
            self._write_one(command)

    def _write_one(self, command: PlaceOrder) -> None:
        orders = self.dependencies.orders[command.style]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                orders.place(command)
            except Fault:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    async def _start(self, command: PlaceOrder) -> None:
        """The order stands by now, so that a start that fails is no failure of the call: the sweep repeats it."""
        try:
            await self.dependencies.starter.start(command.request)
        except Exception as error:  # noqa: BLE001 - whatever it was, the order stands and its saga will be started
            log.warning("the saga is left to the sweep", order_id=command.request.order_id, error=type(error).__name__)


def _needs_temporal(commands: Sequence[PlaceOrder]) -> bool:
    return any(command.style is SagaStyle.ORCHESTRATED for command in commands)
