"""Places orders: one write each, and only while the engine that runs the saga answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool

from api.dependencies import Dependencies
from api.problems import away
from domain.commands import PlaceOrder
from domain.errors import KeyReused, UnknownOrder
from domain.order import SagaStyle
from messaging.errors import Fault

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Placing:
    dependencies: Dependencies

    async def place(self, commands: Sequence[PlaceOrder]) -> None:
        """Place all orders, or none that is not placed yet. Raises KeyReused, or EngineAway: nothing was written."""
        new = await self._checked(commands)
        await run_in_threadpool(self._write, new)
        for command in commands:
            if command.style is SagaStyle.ORCHESTRATED:
                await self._start(command)

    async def _checked(self, commands: Sequence[PlaceOrder]) -> Sequence[PlaceOrder]:
        """Return the orders that are not placed yet. Raise EngineAway if one of them needs an engine that is away."""
        orchestrated = any(command.style is SagaStyle.ORCHESTRATED for command in commands)
        if len(commands) == 1 and not orchestrated:
            return commands  # the write itself finds out whether the order is placed already, or its key was reused
        new = await run_in_threadpool(self._not_placed, commands)
        needs_temporal = any(command.style is SagaStyle.ORCHESTRATED for command in new)
        if needs_temporal and not await self.dependencies.starter.answers():
            raise away("Temporal", "nothing was written")
        return new

    def _not_placed(self, commands: Sequence[PlaceOrder]) -> Sequence[PlaceOrder]:
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
            orders = self.dependencies.orders[command.style]
            try:
                orders.place(command)
            except Fault:
                # It may have collided with a concurrent write. A second attempt reads what the other one wrote.
                orders.place(command)

    async def _start(self, command: PlaceOrder) -> None:
        """Start the saga. The order is stored by now, so a start that fails does not fail the request."""
        try:
            await self.dependencies.starter.start(command.request)
        except Exception as error:  # noqa: BLE001 - whatever the error, the sweep starts the saga of a stored order
            order_id = command.request.order_id
            log.warning("saga not started, left to the sweep", order_id=order_id, error=type(error).__name__)
