"""Hooks before and after each activity, for tests."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

Moment = Literal["before", "after"]
Act = Callable[[], Awaitable[object]]


class AtSteps(ClientInterceptor, Interceptor):
    """Wraps the real activities. `tries` counts the attempts by activity."""

    def __init__(self) -> None:
        self.tries: dict[str, int] = defaultdict(int)
        self._once: dict[tuple[str, Moment], Act] = {}
        self._always: dict[str, Act] = {}

    def once(self, moment: Moment, step: str, act: Act) -> None:
        self._once[step, moment] = act

    def always(self, step: str, act: Act) -> None:
        """Run `act` before every attempt of the step. The attempt fails with what it raises."""
        self._always[step] = act

    def mended(self, step: str) -> None:
        del self._always[step]

    @asynccontextmanager
    async def stopped_after(self, step: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Hold the next attempt of the step after its effect, until the block ends. The attempt then fails.

        The block receives a function that waits until the step is held.
        """
        held, released = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            held.set()
            await released.wait()
            raise ConnectionResetError("the answer is lost")

        async def until_held() -> None:
            await asyncio.wait_for(held.wait(), 30)

        self.once("after", step, hold)
        try:
            yield until_held
        finally:
            released.set()

    async def reach(self, moment: Moment, step: str) -> None:
        act = self._once.pop((step, moment), None)
        if act is not None:
            await act()
        if moment == "before":
            self.tries[step] += 1
            if step in self._always:
                await self._always[step]()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - theirs
        return _Around(next, self)


class _Around(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, steps: AtSteps) -> None:
        super().__init__(inner)
        self._steps = steps

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - theirs
        step = activity.info().activity_type
        await self._steps.reach("before", step)
        result = await super().execute_activity(input)
        await self._steps.reach("after", step)
        return result
