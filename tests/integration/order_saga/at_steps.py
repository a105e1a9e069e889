"""Runs code of a test before a step begins, or right after its effect."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

Moment = Literal["before", "after"]
Act = Callable[[], Awaitable[object]]


class AtSteps(ClientInterceptor, Interceptor):
    """Wraps the real activities. `tries` counts the attempts of each."""

    def __init__(self) -> None:
        self.tries: dict[str, int] = defaultdict(int)
        self._once: dict[tuple[str, Moment], Act] = {}
        self._always: dict[str, Act] = {}

    def once(self, moment: Moment, step: str, act: Act) -> None:
        self._once[step, moment] = act

    def always(self, step: str, act: Act) -> None:
        """Act before every attempt of the step. An exception of `act` is the attempt's fault."""
        self._always[step] = act

    def mended(self, step: str) -> None:
        del self._always[step]

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
