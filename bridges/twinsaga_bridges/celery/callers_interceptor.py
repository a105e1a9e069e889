"""Makes any workflow answer the Celery tasks that started it; the workflow's own code does not change.

A caller arrives as a signal: with the start, or later when the workflow runs already. A workflow without callers does
nothing different, so histories that were recorded without this interceptor still replay.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.worker import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ContinueAsNewError

from twinsaga_bridges.celery import task_call
from twinsaga_bridges.celery.caller import (
    CALLER_SIGNAL,
    FINISH_ACTIVITY,
    PROGRESS_ACTIVITY,
    CeleryCaller,
    WorkflowEnd,
    failed_end,
)
from twinsaga_bridges.celery.task_call import CeleryTaskCall

CALLERS_HEADER = "celery-callers"

ANSWER_ATTEMPT = timedelta(seconds=30)
ANSWER_DEADLINE = timedelta(days=1)
ANSWER_RETRY = RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=30))
PROGRESS_DEADLINE = timedelta(seconds=10)

DescribeStep = Callable[[str, Sequence[Any]], Mapping[str, Any] | None]
"""Maps the name and the arguments of a starting activity to the PROGRESS meta, or to None for no progress.

The argument of `run_celery_task` is a CeleryTaskCall. It runs inside the workflow, so it must be deterministic.
"""


def describe_step(name: str, args: Sequence[Any]) -> Mapping[str, Any]:
    """Name the activity, or the Celery task that it runs."""
    match name, args:
        case task_call.ACTIVITY, [CeleryTaskCall() as call]:
            return {"step": call.name}
    return {"step": name}


class CeleryCallersInterceptor(Interceptor):
    def __init__(self, describe: DescribeStep) -> None:
        self._describe = describe

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the base class's
    ) -> type[WorkflowInboundInterceptor]:
        # Temporal creates the interceptor of each workflow from a class, so the class carries the argument.
        return type("Described", (AnswersCeleryCallers,), {"describe": staticmethod(self._describe)})


class AnswersCeleryCallers(WorkflowInboundInterceptor):
    describe: DescribeStep

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self._callers = Callers()
        super().init(_ReportsSteps(outbound, self._callers, self.describe))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the base class's
        if (carried := input.headers.get(CALLERS_HEADER)) is not None:
            for caller in workflow.payload_converter().from_payload(carried, list[CeleryCaller]):
                self._callers.add(caller)
        workflow.set_signal_handler(CALLER_SIGNAL, self._callers.add)
        try:
            result = await super().execute_workflow(input)
        except ContinueAsNewError:
            await self._carry_callers()
            raise
        except (Exception, asyncio.CancelledError) as error:
            # An eviction or a bug in the workflow is neither: the workflow continues later, so it must not answer.
            if workflow.cancellation_reason() is not None and is_cancelled_exception(error):
                await self._answer(WorkflowEnd(kind="revoked", message=workflow.cancellation_reason() or "cancelled"))
            elif workflow.is_failure_exception(error):
                await self._answer(failed_end(error))
            raise
        await self._answer(WorkflowEnd(kind="succeeded"), result)
        return result

    async def _carry_callers(self) -> None:
        # If the run ends at once, the signal that came with the start is handled in this turn of the event loop.
        await asyncio.sleep(0)
        if self._callers.known and (next_run := self._callers.next_run) is not None:
            carried = workflow.payload_converter().to_payload(list(self._callers.known.values()))
            next_run.headers = {**next_run.headers, CALLERS_HEADER: carried}

    async def _answer(self, end: WorkflowEnd, result: object = None) -> None:
        answering = asyncio.create_task(self._callers.answer(end, result))
        try:
            await asyncio.shield(answering)
        except asyncio.CancelledError:
            # The cancellation is too late: the workflow's own code has ended, and its callers still need an answer.
            await answering


class _ReportsSteps(WorkflowOutboundInterceptor):
    def __init__(self, next: WorkflowOutboundInterceptor, callers: "Callers", describe: DescribeStep) -> None:  # noqa: A002 - the base class's
        super().__init__(next)
        self._callers = callers
        self._describe = describe

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
        ours = input.activity in (FINISH_ACTIVITY, PROGRESS_ACTIVITY)
        if not ours and (meta := self._describe(input.activity, input.args)) is not None:
            self._callers.step(meta)
        return super().start_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> Any:  # noqa: A002, ANN401 - as above
        self._callers.next_run = input
        return super().continue_as_new(input)


class Callers:
    """The Celery tasks that wait for this workflow. `known` also keeps the answered ones, to detect redeliveries."""

    def __init__(self) -> None:
        self.known: dict[str, CeleryCaller] = {}
        self.next_run: ContinueAsNewInput | None = None
        self._waiting: list[CeleryCaller] = []
        self._step: Mapping[str, Any] | None = None
        self._unreported = False
        self._reporting: asyncio.Task[None] | None = None

    def add(self, caller: CeleryCaller) -> None:
        if caller.task_id not in self.known:  # Celery may deliver a task more than once
            self.known[caller.task_id] = caller
            self._waiting.append(caller)
            self._report_progress()

    def step(self, meta: Mapping[str, Any]) -> None:
        self._step = meta
        self._report_progress()

    async def answer(self, end: WorkflowEnd, result: object = None) -> None:
        self._step, self._unreported = None, False
        if self._reporting is not None:
            await self._reporting  # progress that arrives after a failure would overwrite it
        while self._waiting:
            caller = self._waiting.pop(0)
            try:
                await workflow.execute_activity(
                    FINISH_ACTIVITY,
                    args=[caller, end, result],
                    start_to_close_timeout=ANSWER_ATTEMPT,
                    schedule_to_close_timeout=ANSWER_DEADLINE,
                    retry_policy=ANSWER_RETRY,
                    summary=caller.task_id,
                )
            except ActivityError:
                workflow.logger.exception("the Celery task %s did not get the workflow's outcome", caller.task_id)

    def _report_progress(self) -> None:
        """Report in the background, so that the workflow does not wait. Only the latest step is reported."""
        self._unreported = self._step is not None and bool(self._waiting)
        if self._unreported and (self._reporting is None or self._reporting.done()):
            self._reporting = asyncio.create_task(self._report_latest())

    async def _report_latest(self) -> None:
        while self._unreported:
            meta, self._unreported = self._step, False
            for caller in list(self._waiting):
                try:
                    await workflow.execute_activity(
                        PROGRESS_ACTIVITY, args=[caller, meta], schedule_to_close_timeout=PROGRESS_DEADLINE
                    )
                except ActivityError:
                    workflow.logger.warning("progress of the Celery task %s is lost", caller.task_id)
