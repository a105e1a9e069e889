"""The witness: a workflow that watches one choreographed order. The order runs the same without it.

Each event arrives as a signal named after the event type, so that the history reads as the order's story. The signals
contain no personal data, only what the order's progress is derived from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.cancellation_requests import CancellationRequestActivities
    from domain.ids import OrderId
    from domain.order import OrderStatus
    from twinsaga_bridges.handled_events import HandledEvents
    from workflows.saga_status import SAGA_STATUS, SAGA_STEP
    from workflows.witnessed_steps import NEEDS_ATTENTION, step_after

Stuck = Literal["stuck"]
STUCK: Stuck = "stuck"

LINGER = timedelta(seconds=10)
"""The history stays open this long after the order's end: events of other topics may arrive later."""

GIVES_UP_AFTER = timedelta(hours=24)
"""How long a stuck order may stay silent after its cancellation was requested; then its witness ends as stuck."""

OPERATOR_HAS = timedelta(days=30)
"""The same for an order that needs attention: operators have weekends."""

_ASKED = "order.cancellation_requested"
"""Requested by the witness or by the customer. It is no sign of life: the services may not have reacted to it."""

_ENDS = {"order.confirmed": OrderStatus.CONFIRMED, "order.cancelled": OrderStatus.CANCELLED}
_ATTEMPT = timedelta(seconds=30)
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=30))


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedOrder:
    """`silence_s`: seconds without an event after which the order counts as stuck."""

    order_id: OrderId
    silence_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedEvent:
    """One event of the order.

    `owed_by`: the service or person that must act next, None if none. `waits_until`: no event is due before, such as
    the expiry of a pix payment. `says`: what else an operator needs to know.
    """

    event_id: str
    caused_by: str | None
    owed_by: str | None
    waits_until: datetime | None = None
    says: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedEnd:
    """`stuck`: the order stayed silent. Later events of it have no witness."""

    status: OrderStatus | Stuck
    events: list[str]


def witness_id(order_id: OrderId) -> str:
    return f"choreography-witness/{order_id}"


@workflow.defn
class ChoreographyWitness:
    @workflow.init
    def __init__(self, order: WitnessedOrder) -> None:
        self._order = order
        self._seen: list[tuple[str, WitnessedEvent]] = []
        self._handled = HandledEvents()
        self._received = self._processed = 0
        self._end: OrderStatus | None = None
        self._stuck = False

    @workflow.run
    async def run(self, _order: WitnessedOrder) -> WitnessedEnd:
        while self._end is None:
            if await self._next_event(self._patience()):
                self._stuck = False
                if self._end is None:
                    self._show_progress()
            elif self._stuck or self._needs_attention():
                self._show(STUCK, f"Given up. {self._owed()}")
                return WitnessedEnd(status=STUCK, events=self.events())
            else:
                self._stuck = True
                self._show(STUCK, f"Silent for too long. {self._owed()}\n\nIts cancellation was requested.")
                await self._request_cancellation()
        self._show(self._end, f"{self._end} after {len(self._seen)} events")
        while await self._next_event(LINGER):
            pass
        return WitnessedEnd(status=self._end, events=self.events())

    @workflow.signal(dynamic=True)
    def on_event(self, event_type: str, arguments: Sequence[RawValue]) -> None:
        """Record the event once, by its id. Events may arrive late, early or twice: topics have no common order."""
        event: WitnessedEvent = workflow.payload_converter().from_payload(arguments[0].payload, WitnessedEvent)
        if self._handled.add(event.event_id):
            self._seen.append((event_type, event))
            self._received += event_type != _ASKED
        self._end = self._end or _ENDS.get(event_type)

    @workflow.query
    def events(self) -> list[str]:
        """The event types in order of arrival."""
        return [event_type for event_type, _ in self._seen]

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
        silence = timedelta(seconds=self._order.silence_s)
        until = [event.waits_until for _, event in self._latest() if event.waits_until is not None]
        return max([silence, *(moment - workflow.now() + silence for moment in until)])

    def _needs_attention(self) -> bool:
        return self._latest_type() == NEEDS_ATTENTION

    def _latest(self) -> list[tuple[str, WitnessedEvent]]:
        """Events that no other event names as its cause. They may differ from the last arrivals: topics overtake."""
        causes = {event.caused_by for _, event in self._seen}
        return [(event_type, event) for event_type, event in self._seen if event.event_id not in causes]

    def _latest_type(self) -> str | None:
        return next((event_type for event_type, _ in reversed(self._latest()) if event_type != _ASKED), None)

    def _owed(self) -> str:
        owing = [(event_type, event) for event_type, event in self._latest() if event.owed_by is not None]
        if not owing:
            return "No event is due."
        event_type, event = owing[-1]
        says = f" {event.says}." if event.says else ""
        return f"Last event seen: `{event_type}`.{says} The next one is owed by: {event.owed_by}."

    def _show_progress(self) -> None:
        status = OrderStatus.NEEDS_ATTENTION if self._needs_attention() else OrderStatus.PENDING
        self._show(status, self._owed())

    def _show(self, status: OrderStatus | Stuck, details: str) -> None:
        step = step_after(f"order.{self._end}" if self._end is not None else self._latest_type())
        workflow.upsert_search_attributes([SAGA_STATUS.value_set(status), SAGA_STEP.value_set(step)])
        workflow.set_current_details(details)

    async def _request_cancellation(self) -> None:
        """A request that fails for GIVES_UP_AFTER is given up; the order stays stuck."""
        try:
            await workflow.execute_activity_method(
                CancellationRequestActivities.request,
                self._order.order_id,
                start_to_close_timeout=_ATTEMPT,
                schedule_to_close_timeout=GIVES_UP_AFTER,
                retry_policy=_RETRY,
                summary="request the order's cancellation",
            )
        except ActivityError as error:
            workflow.logger.warning("the cancellation was not requested: %s", error.cause)
