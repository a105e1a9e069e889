"""The undo list of a saga: what is registered before a step runs is undone in reverse."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from temporalio.exceptions import ActivityError

from domain.order import Step
from workflows.saga_status import SagaStatus

T = TypeVar("T")

Undo = Callable[[bool], Awaitable[object]]
"""Takes whether an operator asked for this attempt. Raises ActivityError when it ran out of attempts."""

Stuck = Callable[[Step, ActivityError], Awaitable[None]]
"""Returns when the compensation shall be tried again."""


class Compensations:
    def __init__(self, stuck: Stuck) -> None:
        self._stuck = stuck
        self._registered: list[tuple[Step, Undo]] = []

    def register(self, step: Step, undo: Undo) -> None:
        """Call it before the step: a lost answer may hide a real effect. An undo finds out, and then undoes."""
        self._registered.append((step, undo))

    def forget_last(self) -> None:
        """The step said no, so it has left nothing to undo."""
        self._registered.pop()

    async def run(self, status: SagaStatus) -> None:
        """Undo everything. One that keeps failing waits for an operator; those that are done are not run again."""
        asked_by_operator = False
        while self._registered:
            step, undo = self._registered[-1]
            status.begin(step)
            try:
                await undo(asked_by_operator)
            except ActivityError as error:
                await self._stuck(step, error)
                asked_by_operator = True
            else:
                self._registered.pop()
                status.step(step, "done")
                asked_by_operator = False


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Finish the work although we are cancelled meanwhile."""
    task = asyncio.create_task(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
