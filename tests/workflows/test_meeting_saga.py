"""A saga without orders, from the parts of `sagas`: it goes forward, is undone, waits for an operator, is watched."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from sagas.status import NEEDS_ATTENTION, SAGA_STATUS, SAGA_STEP, STUCK
from sagas.witness import GIVES_UP_AFTER, WitnessedEvent
from tests.support.at_steps import AtSteps
from tests.support.saga_shop import DEADLINE_S, eventually
from tests.support.temporal_servers import create_search_attributes
from tests.workflows.meeting_saga import (
    INTERRUPTIONS,
    SILENCE,
    MeetingSaga,
    MeetingWitness,
    Office,
    Reason,
    Step,
)

Saga = WorkflowHandle[MeetingSaga, Reason | None]
T = TypeVar("T")


@dataclass(frozen=True)
class Meetings:
    environment: WorkflowEnvironment
    office: Office
    at_steps: AtSteps
    task_queue: str

    async def plan(self) -> Saga:
        client = self.environment.client
        return await client.start_workflow(
            MeetingSaga.run, "monday", id=f"meeting/{uuid4()}", task_queue=self.task_queue
        )

    async def watch(self) -> WorkflowHandle[MeetingWitness, str]:
        client = self.environment.client
        return await client.start_workflow(
            MeetingWitness.run, "monday", id=f"watched/{uuid4()}", task_queue=self.task_queue
        )


@pytest_asyncio.fixture
async def meetings(environment: WorkflowEnvironment, at_steps: AtSteps) -> AsyncIterator[Meetings]:
    await create_search_attributes(environment.client)
    office = Office()
    steps = office.book_room, office.order_lunch, office.announce, office.cancel_lunch, office.free_room
    queue = f"meetings-{uuid4()}"
    async with Worker(
        environment.client,
        task_queue=queue,
        workflows=[MeetingSaga, MeetingWitness],
        activities=[*steps, office.show_attention, office.call_off],
    ):
        yield Meetings(environment, office, at_steps, queue)


async def end_of(workflow: WorkflowHandle[Any, T]) -> T:
    async with asyncio.timeout(DEADLINE_S):
        return await workflow.result()


async def await_status(workflow: Saga | WorkflowHandle[MeetingWitness, str], wanted: str) -> None:
    async def look() -> bool:
        return (await workflow.describe()).typed_search_attributes.get(SAGA_STATUS) == wanted

    await eventually(look, f"the status is {wanted}")


async def progress_of(saga: Saga) -> dict[Step, str]:
    return {step.step: step.progress for step in await saga.query(MeetingSaga.progress)}


async def fails() -> None:
    raise ConnectionRefusedError("the office is closed")


async def test_it_goes_forward(meetings: Meetings) -> None:
    saga = await meetings.plan()

    assert await end_of(saga) is None
    assert meetings.office.book == ["room", "lunch", "announced"]
    assert set((await progress_of(saga)).values()) == {"done"}


async def test_a_refusal_undoes_what_was_done_in_reverse(meetings: Meetings) -> None:
    meetings.office.nobody_comes = True

    saga = await meetings.plan()

    assert await end_of(saga) is Reason.NOBODY_COMES
    assert meetings.office.book == ["room", "lunch", "no lunch", "no room"]
    assert (await progress_of(saga))[Step.ANNOUNCE] == "refused"


async def test_a_compensation_is_registered_before_its_step_whose_answer_may_be_lost(meetings: Meetings) -> None:
    meetings.at_steps.always("order_lunch", fails)
    saga = await meetings.plan()
    await eventually(lambda: tried(meetings, "order_lunch"), "the lunch is tried")

    await saga.execute_update(MeetingSaga.call_off)

    assert await end_of(saga) is Reason.CALLED_OFF
    assert meetings.office.book == ["room", "no lunch", "no room"]


@pytest.mark.parametrize("by", ["update", "temporal"])
async def test_a_cancel_during_the_undo_changes_nothing(meetings: Meetings, by: str) -> None:
    async def cancelled() -> None:
        if by == "temporal":
            await (await planned).cancel()
        else:
            await (await planned).execute_update(MeetingSaga.call_off)

    planned: asyncio.Future[Saga] = asyncio.get_running_loop().create_future()
    meetings.office.nobody_comes = True
    meetings.at_steps.once("before", "cancel_lunch", cancelled)
    planned.set_result(saga := await meetings.plan())

    assert await end_of(saga) is Reason.NOBODY_COMES
    assert meetings.office.book == ["room", "lunch", "no lunch", "no room"]


async def test_an_undo_that_keeps_failing_waits_until_an_operator_asks_for_it_again(meetings: Meetings) -> None:
    meetings.office.nobody_comes = True
    meetings.at_steps.always("cancel_lunch", fails)
    saga = await meetings.plan()
    await await_status(saga, NEEDS_ATTENTION)
    await eventually(lambda: shown(meetings, 1), "the operator is told")

    assert (await progress_of(saga))[Step.CANCEL_LUNCH] == "failing"
    assert meetings.at_steps.tries["cancel_lunch"] == 2
    meetings.at_steps.mended("cancel_lunch")
    await saga.execute_update(MeetingSaga.retry_compensation)

    assert await end_of(saga) is Reason.NOBODY_COMES
    assert meetings.office.book == ["room", "lunch", "no lunch, an operator asked", "no room"]
    assert meetings.office.shown == [
        "cancel_lunch, nobody_comes: ConnectionRefusedError: the office is closed",
        None,
    ]


async def test_a_retry_of_nothing_is_refused(meetings: Meetings) -> None:
    meetings.at_steps.always("book_room", fails)
    saga = await meetings.plan()

    with pytest.raises(WorkflowUpdateFailedError, match="Workflow update failed") as refused:
        await saga.execute_update(MeetingSaga.retry_compensation)

    assert "no compensation waits for an operator" in str(refused.value.cause)
    await saga.execute_update(MeetingSaga.call_off)
    assert await end_of(saga) is Reason.CALLED_OFF


async def test_it_is_undone_at_its_deadline(meetings: Meetings) -> None:
    meetings.at_steps.always("announce", fails)

    saga = await meetings.plan()

    assert await end_of(saga) is Reason.TOO_LATE
    shown = await saga.describe()
    assert shown.close_time is not None
    assert INTERRUPTIONS.deadline <= shown.close_time - shown.start_time < INTERRUPTIONS.deadline + timedelta(minutes=5)
    assert shown.typed_search_attributes[SAGA_STEP] == Step.FREE_ROOM
    assert meetings.office.book == ["room", "lunch", "no lunch", "no room"]


async def test_temporals_own_cancel_undoes_it(meetings: Meetings) -> None:
    meetings.at_steps.always("announce", fails)
    saga = await meetings.plan()
    await eventually(lambda: tried(meetings, "announce"), "the announcement is tried")

    await saga.cancel()

    assert await end_of(saga) is Reason.CALLED_OFF
    assert meetings.office.book == ["room", "lunch", "no lunch", "no room"]


async def test_its_witness_shows_the_step_finds_it_stuck_and_gives_up(meetings: Meetings) -> None:
    witness = await meetings.watch()
    await witness.signal("room.booked", WitnessedEvent(event_id="e1", caused_by=None, owed_by="the kitchen"))

    await meetings.environment.sleep(SILENCE + timedelta(seconds=1))
    await await_status(witness, STUCK)
    assert (await witness.describe()).typed_search_attributes[SAGA_STEP] == Step.ORDER_LUNCH
    await meetings.environment.sleep(GIVES_UP_AFTER)

    assert await end_of(witness) == STUCK
    assert meetings.office.book == ["asked to call off monday"]


async def test_its_witness_ends_as_the_saga_says(meetings: Meetings) -> None:
    witness = await meetings.watch()
    await witness.signal("meeting.announced", WitnessedEvent(event_id="e1", caused_by=None, owed_by=None))

    assert await end_of(witness) == "announced"
    assert meetings.office.book == []


async def tried(meetings: Meetings, step: str) -> bool:
    return meetings.at_steps.tries[step] > 0


async def shown(meetings: Meetings, count: int) -> bool:
    return len(meetings.office.shown) >= count
