"""The witness of a saga that runs by events alone: it watches, and the saga runs the same without it.

Each event arrives as a signal of the witness's workflow, named after the event type, so that the history reads as the
saga's story. The signals contain no personal data, only what the progress is derived from.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from sagas.status import NEEDS_ATTENTION, PENDING, STUCK, Stuck, show
from twinsaga_bridges.handled_events import HandledEvents

LINGER = timedelta(seconds=10)
"""The history stays open this long after the saga's end: events of other topics may arrive later."""

GIVES_UP_AFTER = timedelta(hours=24)
"""How long a stuck saga may stay silent after its cancellation was requested; then its witness ends as stuck."""

OPERATOR_HAS = timedelta(days=30)
"""The same for a saga that needs attention: operators have weekends."""

E = TypeVar("E", bound=str)
"""The statuses that a saga may end with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedEvent:
    """One event of the saga.

    `owed_by`: the service or person that must act next, None if none. `waits_until`: no event is due before, such as
    the expiry of a payment. `says`: what else an operator needs to know.
    """

    event_id: str
    caused_by: str | None
    owed_by: str | None
    waits_until: datetime | None = None
    says: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypes(Generic[E]):
    """What the types of a saga's events mean to its witness.

    `ends`: the status of each type that ends the saga. `needs_attention`: an operator must act.
    `cancellation_requested` is no sign of life: the services may not have reacted to it. `step_after`: the step that
    follows a type; it must accept None, which is no event yet, and unknown types.
    """

    ends: Mapping[str, E]
    needs_attention: str
    cancellation_requested: str
    step_after: Callable[[str | None], str]


class Witness(Generic[E]):
    """`silence`: without an event for so long, the saga counts as stuck, and `request_cancellation` is called.

    A request that raises ActivityError is given up; the saga stays stuck.
    """

    def __init__(
        self, types: EventTypes[E], *, silence: timedelta, request_cancellation: Callable[[], Awaitable[object]]
    ) -> None:
        self._types = types
        self._silence = silence
        self._request_cancellation = request_cancellation
        self._seen: list[tuple[str, WitnessedEvent]] = []
        self._handled = HandledEvents()
        self._received = self._processed = 0
        self._ended_by: str | None = None
        self._stuck = False

    @property
    def events(self) -> list[str]:
        """The event types in order of arrival."""
        return [event_type for event_type, _ in self._seen]

    def record(self, event_type: str, event: WitnessedEvent) -> None:
        """Record the event once, by its id. Events may arrive late, early or twice: topics have no common order."""
        if self._handled.add(event.event_id):
            self._seen.append((event_type, event))
            self._received += event_type != self._types.cancellation_requested
        if self._ended_by is None and event_type in self._types.ends:
            self._ended_by = event_type

    async def watch(self) -> E | Stuck:
        """Return how the saga ended. Stuck: it stayed silent; later events of it have no witness."""
        while self._ended_by is None:
            if await self._next_event(self._patience()):
                self._stuck = False
                if self._ended_by is None:
                    self._show_progress()
            elif self._stuck or self._needs_attention():
                self._show(STUCK, f"Given up. {self._owed()}")
                return STUCK
            else:
                self._stuck = True
                self._show(STUCK, f"Silent for too long. {self._owed()}\n\nIts cancellation was requested.")
                await self._try_to_cancel()
        end = self._types.ends[self._ended_by]
        self._show(end, f"{end} after {len(self._seen)} events")
        while await self._next_event(LINGER):
            pass
        return end

    async def _next_event(self, patience: timedelta) -> bool:
        """Return whether an event arrived in time."""
        try:
            await workflow.wait_condition(lambda: self._received > self._processed, timeout=patience)
        except TimeoutError:
            return False
        self._processed = self._received
        return True

    def _patience(self) -> timedelta:
        if self._needs_attention():
            return OPERATOR_HAS
        if self._stuck:
            return GIVES_UP_AFTER
        until = [event.waits_until for _, event in self._latest() if event.waits_until is not None]
        return max([self._silence, *(moment - workflow.now() + self._silence for moment in until)])

    def _needs_attention(self) -> bool:
        return self._latest_type() == self._types.needs_attention

    def _latest(self) -> list[tuple[str, WitnessedEvent]]:
        """Events that no other event names as its cause. They may differ from the last arrivals: topics overtake."""
        causes = {event.caused_by for _, event in self._seen}
        return [(event_type, event) for event_type, event in self._seen if event.event_id not in causes]

    def _latest_type(self) -> str | None:
        asked = self._types.cancellation_requested
        return next((event_type for event_type, _ in reversed(self._latest()) if event_type != asked), None)

    def _owed(self) -> str:
        owing = [(event_type, event) for event_type, event in self._latest() if event.owed_by is not None]
        if not owing:
            return "No event is due."
        event_type, event = owing[-1]
        says = f" {event.says}." if event.says else ""
        return f"Last event seen: `{event_type}`.{says} The next one is owed by: {event.owed_by}."

    def _show_progress(self) -> None:
        self._show(NEEDS_ATTENTION if self._needs_attention() else PENDING, self._owed())

    def _show(self, status: str, details: str) -> None:
        show(status, self._types.step_after(self._ended_by or self._latest_type()), details)

    async def _try_to_cancel(self) -> None:
        try:
            await self._request_cancellation()
        except ActivityError as error:
            workflow.logger.warning("the cancellation was not requested: %s", error.cause)
