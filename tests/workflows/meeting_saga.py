"""A saga that has nothing to do with orders: it books a room and a lunch for a meeting, then announces the meeting."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial

from temporalio import activity, workflow
from temporalio.common import RawValue, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from sagas.attention import AttentionOfOperator, FailedUndo
    from sagas.compensations import Compensation, Compensations
    from sagas.decision import Decision, Interruptions, shielded, take_step
    from sagas.status import SagaStatus, StepProgress
    from sagas.witness import EventTypes, Witness, WitnessedEvent


class Step(StrEnum):
    BOOK_ROOM = "book_room"
    ORDER_LUNCH = "order_lunch"
    ANNOUNCE = "announce"
    CANCEL_LUNCH = "cancel_lunch"
    FREE_ROOM = "free_room"


class Reason(StrEnum):
    NO_ROOM = "no_room"
    NOBODY_COMES = "nobody_comes"
    CALLED_OFF = "called_off"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    meeting: str
    reason: Reason
    asked_by_operator: bool = False


INTERRUPTIONS = Interruptions(cancelled=Reason.CALLED_OFF, timed_out=Reason.TOO_LATE, deadline=timedelta(hours=1))
SLOW_AFTER = timedelta(seconds=5)
ATTEMPT = timedelta(minutes=1)
UNDO = RetryPolicy(maximum_attempts=2)
SILENCE = timedelta(minutes=5)


class Office:
    """The service behind every step. `book`: what happened, in order. `shown`: an operator saw it."""

    def __init__(self) -> None:
        self.book: list[str] = []
        self.shown: list[str | None] = []
        self.nobody_comes = False

    @activity.defn
    async def book_room(self, _meeting: str) -> Refused | None:
        self.book.append("room")
        return None

    @activity.defn
    async def order_lunch(self, _meeting: str) -> Refused | None:
        self.book.append("lunch")
        return None

    @activity.defn
    async def announce(self, _meeting: str) -> Refused | None:
        if self.nobody_comes:
            return Refused(reason=Reason.NOBODY_COMES)
        self.book.append("announced")
        return None

    @activity.defn
    async def cancel_lunch(self, undoing: Undoing) -> None:
        self.book.append("no lunch, an operator asked" if undoing.asked_by_operator else "no lunch")

    @activity.defn
    async def free_room(self, undoing: Undoing) -> None:
        self.book.append("no room, an operator asked" if undoing.asked_by_operator else "no room")

    @activity.defn
    async def show_attention(self, error: str | None) -> None:
        self.shown.append(error)

    @activity.defn
    async def call_off(self, meeting: str) -> None:
        self.book.append(f"asked to call off {meeting}")


@workflow.defn
class MeetingSaga:
    @workflow.init
    def __init__(self, meeting: str) -> None:
        self._meeting = meeting
        self._status = SagaStatus((Step.BOOK_ROOM, Step.ORDER_LUNCH, Step.ANNOUNCE), SLOW_AFTER)
        self._attention = AttentionOfOperator(self._status, show_attention)
        self._compensations = Compensations(self._status, self._attention.wait)
        self._decision = Decision(INTERRUPTIONS)

    @workflow.run
    async def run(self, meeting: str) -> Reason | None:
        why_undo = await self._decision.reach(self._prepare(), slow=self._status.turn_slow())
        self._decision.make(why_undo)
        if why_undo is not None:
            await shielded(self._compensations.run(Undoing(meeting=meeting, reason=why_undo)))
            self._status.show("called off", Step.FREE_ROOM, f"The meeting is called off: {why_undo}.")
        await shielded(workflow.wait_condition(workflow.all_handlers_finished))
        return why_undo

    async def _prepare(self) -> Reason | None:
        self._compensations.register(Compensation(Step.FREE_ROOM, partial(undo, Step.FREE_ROOM)))
        await self._step(Step.BOOK_ROOM)
        self._compensations.register(Compensation(Step.CANCEL_LUNCH, partial(undo, Step.CANCEL_LUNCH)))
        await self._step(Step.ORDER_LUNCH)
        refused = await self._step(Step.ANNOUNCE)
        if refused is None:
            self._decision.pass_pivot()
        return None if refused is None else refused.reason

    async def _step(self, step: Step) -> Refused | None:
        work = workflow.execute_activity(step, self._meeting, result_type=Refused, start_to_close_timeout=ATTEMPT)
        return await take_step(self._status, step, work, refusals=(Refused,), pivot=step is Step.ANNOUNCE)

    @workflow.update
    async def call_off(self) -> None:
        await self._decision.cancel()
        self._refuse_past_pivot()

    @call_off.validator
    def _refuse_past_pivot(self) -> None:
        self._decision.refuse_cancel_past_pivot("the meeting is announced")

    @workflow.update
    async def retry_compensation(self) -> None:
        self._attention.give()

    @retry_compensation.validator
    def _refuse_retry_of_nothing(self) -> None:
        self._attention.refuse_unless_needed()

    @workflow.query
    def progress(self) -> list[StepProgress[Step]]:
        return self._status.steps


async def undo(step: Step, undoing: Undoing) -> None:
    await workflow.execute_activity(step, undoing, start_to_close_timeout=ATTEMPT, retry_policy=UNDO)


async def show_attention(failed: FailedUndo[Step, Undoing] | None) -> None:
    error = None if failed is None else f"{failed.step}, {failed.undoing.reason}: {failed.error}"
    await workflow.execute_activity("show_attention", error, start_to_close_timeout=ATTEMPT)


def step_after(event_type: str | None) -> str:
    return Step.ORDER_LUNCH if event_type == "room.booked" else Step.BOOK_ROOM


@workflow.defn
class MeetingWitness:
    @workflow.init
    def __init__(self, meeting: str) -> None:
        types = EventTypes(
            ends={"meeting.announced": "announced"},
            needs_attention="meeting.needs_attention",
            cancellation_requested="meeting.call_off_requested",
            step_after=step_after,
        )
        self._witness = Witness(types, silence=SILENCE, request_cancellation=partial(call_off, meeting))

    @workflow.run
    async def run(self, _meeting: str) -> str:
        return await self._witness.watch()

    @workflow.signal(dynamic=True)
    def on_event(self, event_type: str, arguments: Sequence[RawValue]) -> None:
        event = workflow.payload_converter().from_payload(arguments[0].payload, WitnessedEvent)
        self._witness.record(event_type, event)


async def call_off(meeting: str) -> None:
    await workflow.execute_activity_method(Office.call_off, meeting, start_to_close_timeout=ATTEMPT)
