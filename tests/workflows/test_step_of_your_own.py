"""The example of docs/testing-workflows.md: a step that is not in the order saga, and its tests."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker
from temporalio.workflow import NondeterminismError

ANSWER_WITHIN = timedelta(days=1)
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class GiftWrap:
    order_id: str
    paper: str


class Wrapper:
    """The service behind the step. It is away for the first `faults` attempts."""

    def __init__(self, faults: int = 0) -> None:
        self.attempts = 0
        self._faults = faults

    @activity.defn
    async def wrap(self, wrap: GiftWrap, text: str) -> str:
        self.attempts += 1
        if self.attempts <= self._faults:
            raise ConnectionRefusedError("the wrapper is away")
        return f"{wrap.paper}, {text}"


@workflow.defn
class GiftWrapping:
    """Ask the customer for a card text, wait for it for a day, then wrap with it or without."""

    def __init__(self) -> None:
        self._text: str | None = None

    @workflow.run
    async def run(self, wrap: GiftWrap) -> str:
        try:
            await workflow.wait_condition(lambda: self._text is not None, timeout=ANSWER_WITHIN)
        except TimeoutError:
            workflow.logger.info("no answer within a day")
        return await workflow.execute_activity_method(
            Wrapper.wrap, args=[wrap, self._text or "no card"], start_to_close_timeout=timedelta(minutes=1)
        )

    @workflow.signal
    def card(self, text: str) -> None:
        self._text = text


def worker(environment: WorkflowEnvironment, wrapper: Wrapper) -> Worker:
    return Worker(
        environment.client,
        task_queue=f"gift-wrapping-{uuid4()}",
        workflows=[GiftWrapping],
        activities=[wrapper.wrap],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def started(environment: WorkflowEnvironment, task_queue: str) -> WorkflowHandle[GiftWrapping, str]:
    wrap = GiftWrap(order_id="order-1", paper="blue paper")
    return await environment.client.start_workflow(GiftWrapping.run, wrap, id=f"gift/{uuid4()}", task_queue=task_queue)


async def result_of(handle: WorkflowHandle[GiftWrapping, str]) -> str:
    """Wait for the end. Meanwhile the server skips to the next timer whenever the workflow waits for one."""
    async with asyncio.timeout(DEADLINE_S):
        return await handle.result()


async def test_without_an_answer_it_is_wrapped_without_a_card_after_a_day(environment: WorkflowEnvironment) -> None:
    async with worker(environment, Wrapper()) as running:
        handle = await started(environment, running.task_queue)

        assert await result_of(handle) == "blue paper, no card"

    shown = await handle.describe()
    assert shown.close_time is not None
    assert ANSWER_WITHIN <= shown.close_time - shown.start_time < ANSWER_WITHIN + timedelta(minutes=1)


async def test_an_answer_in_the_last_minute_counts(environment: WorkflowEnvironment) -> None:
    async with worker(environment, Wrapper()) as running:
        handle = await started(environment, running.task_queue)
        await environment.sleep(ANSWER_WITHIN - timedelta(minutes=1))

        await handle.signal(GiftWrapping.card, "happy birthday")

        assert await result_of(handle) == "blue paper, happy birthday"


async def test_a_wrapper_that_is_away_is_tried_again(environment: WorkflowEnvironment) -> None:
    wrapper = Wrapper(faults=5)
    async with worker(environment, wrapper) as running:
        assert await result_of(await started(environment, running.task_queue)) == "blue paper, no card"

    assert wrapper.attempts == 6


@workflow.defn(name="GiftWrapping")
class WrappingAtOnce:
    """The same workflow after a change of its commands: it no longer waits for the customer."""

    @workflow.run
    async def run(self, wrap: GiftWrap) -> str:
        return await workflow.execute_activity_method(
            Wrapper.wrap, args=[wrap, "no card"], start_to_close_timeout=timedelta(minutes=1)
        )


async def test_a_change_of_its_commands_is_noticed_in_a_replay(environment: WorkflowEnvironment) -> None:
    async with worker(environment, Wrapper()) as running:
        handle = await started(environment, running.task_queue)
        await result_of(handle)
    history = await handle.fetch_history()  # to keep it, write `history.to_json()` to a file

    def replayer(changed: type) -> Replayer:
        return Replayer(workflows=[changed], data_converter=pydantic_data_converter)

    await replayer(GiftWrapping).replay_workflow(history)
    with pytest.raises(NondeterminismError):
        await replayer(WrappingAtOnce).replay_workflow(history)
