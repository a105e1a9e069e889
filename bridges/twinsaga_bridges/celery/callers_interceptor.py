"""Lets any workflow answer the Celery tasks that started it, without knowing of them.

A caller comes as a signal: with the start, or later, when the workflow runs already. A workflow without callers does
nothing different, so that histories recorded before this interceptor was there still replay.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception
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

from twinsaga_bridges.celery.caller import (
    CALLER_SIGNAL,
    FINISH_ACTIVITY,
    PROGRESS_ACTIVITY,
    CeleryCaller,
    WorkflowEnd,
    failed_end,
)
from twinsaga_bridges.celery.waiting_callers import Callers

CALLERS_HEADER = "celery-callers"

DescribeStep = Callable[[str], Mapping[str, Any] | None]


class CeleryCallersInterceptor(Interceptor):
    """`describe` gives the PROGRESS meta for the name of an activity that starts, or None for no progress."""

    def __init__(self, describe: DescribeStep) -> None:
        self._describe = describe

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the base class's
    ) -> type[WorkflowInboundInterceptor]:
        describe = self._describe

        class Answering(AnswersCeleryCallers):
            def describe(self, activity: str) -> Mapping[str, Any] | None:
                return describe(activity)

        return Answering


class AnswersCeleryCallers(WorkflowInboundInterceptor):
    def describe(self, activity: str) -> Mapping[str, Any] | None:
        raise NotImplementedError

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self._callers = Callers()
        super().init(_TellsSteps(outbound, self._callers, self.describe))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the base class's
        if CALLERS_HEADER in input.headers:
            carried = workflow.payload_converter().from_payload(input.headers[CALLERS_HEADER], list[CeleryCaller])
            for caller in carried:
                self._callers.add(caller)
        workflow.set_signal_handler(CALLER_SIGNAL, self._callers.add)
        try:
            result = await super().execute_workflow(input)
        except ContinueAsNewError:
            await self._carry_callers()
            raise
        except (Exception, asyncio.CancelledError) as error:
            if workflow.cancellation_reason() is not None and is_cancelled_exception(error):
                await self._answer(WorkflowEnd(kind="revoked", message=workflow.cancellation_reason() or "cancelled"))
            elif workflow.is_failure_exception(error):
                await self._answer(failed_end(error))
            raise  # also an eviction, and a bug, after which the workflow goes on
        await self._answer(WorkflowEnd(kind="succeeded"), result)
        return result

    async def _carry_callers(self) -> None:
        await asyncio.sleep(0)  # a caller that came with the start is still to be added when the run ends at once
        if self._callers.known and (next_run := self._callers.next_run) is not None:
            carried = workflow.payload_converter().to_payload(list(self._callers.known.values()))
            next_run.headers = {**next_run.headers, CALLERS_HEADER: carried}

    async def _answer(self, end: WorkflowEnd, result: object = None) -> None:
        answering = asyncio.create_task(self._callers.answer(end, result))
        try:
            await asyncio.shield(answering)
        except asyncio.CancelledError:  # a cancellation that comes when the workflow has ended already
            await answering


class _TellsSteps(WorkflowOutboundInterceptor):
    def __init__(self, next: WorkflowOutboundInterceptor, callers: Callers, describe: DescribeStep) -> None:  # noqa: A002 - the base class's
        super().__init__(next)
        self._callers = callers
        self._describe = describe

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
        ours = input.activity in (FINISH_ACTIVITY, PROGRESS_ACTIVITY)
        if not ours and (meta := self._describe(input.activity)) is not None:
            self._callers.step(meta)
        return super().start_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> Any:  # noqa: A002, ANN401 - as above
        self._callers.next_run = input
        return super().continue_as_new(input)
