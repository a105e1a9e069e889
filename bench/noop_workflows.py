"""The reference of the orchestrated style: workflows and activities that do nothing, with the SDK's own defaults."""

from datetime import timedelta

from temporalio import activity, workflow

BARE_QUEUE = "bench-bare"
ACTIVITIES = 4
_ATTEMPT = timedelta(seconds=10)


@activity.defn
async def nothing() -> None:
    """What a step costs before it does anything."""


@workflow.defn
class FourActivities:
    @workflow.run
    async def run(self) -> None:
        for _ in range(ACTIVITIES):
            await workflow.execute_activity(nothing, start_to_close_timeout=_ATTEMPT)


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(nothing, start_to_close_timeout=_ATTEMPT)
