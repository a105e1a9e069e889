"""A workflow that answers Celery tasks. Its code does not mention Celery."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from twinsaga_bridges.workflow_into_celery import run_celery_task


@activity.defn
async def pack(value: int) -> int:
    return value


@activity.defn
async def unpack(value: int) -> int:
    return value


@workflow.defn
class Doubles:
    """`how`: "": return at once; "wait": for the signal `go`; "refuse"; "break": builtin exception; "go on as new"."""

    def __init__(self) -> None:
        self._released = False

    @workflow.signal
    def go(self) -> None:
        self._released = True

    @workflow.run
    async def run(self, value: int, how: str) -> int:
        if how == "refuse":
            raise ApplicationError(f"no {value} left", type="OutOfStock")
        if how == "break":
            raise ApplicationError("nothing to double", type="LookupError")
        if how == "go on as new":
            workflow.continue_as_new(args=[value, "wait"])
        if how == "wait":
            await self._wait_for_go(value)
        return value * 2

    async def _wait_for_go(self, value: int) -> None:
        await workflow.execute_activity(pack, value, start_to_close_timeout=timedelta(seconds=10))
        try:
            await workflow.wait_condition(lambda: self._released)
        except asyncio.CancelledError:
            await workflow.execute_activity(unpack, value, start_to_close_timeout=timedelta(seconds=10))
            raise


@workflow.defn
class Mirrors:
    """Answers a Celery task with the result of another one."""

    @workflow.run
    async def run(self, token: str) -> str:
        return await run_celery_task(
            "estate.report_progress",
            token,
            within=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=1),
            result_type=str,
        )
