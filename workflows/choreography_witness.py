"""The witness: it watches one choreographed order, which is the same without it.

Each event is a signal that bears the event's name, so that the history reads as what happened. The signals hold no
personal data: only what an order's progress can be told by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.cancellation_requests import CancellationRequestActivities
    from domain.ids import OrderId
    from domain.order import OrderStatus
    from workflows.saga_status import SAGA_STATUS

STUCK = "stuck"
LINGER = timedelta(seconds=10)
"""Events of other topics may come after the one that ends the order; so long the history stays open for them."""

_ASKED = "order.cancellation_requested"
"""Our own asking, or the customer's. An order that does not answer it is as silent as before."""

_ENDS = {"order.confirmed": OrderStatus.CONFIRMED, "order.cancelled": OrderStatus.CANCELLED}
_ATTEMPT = timedelta(seconds=30)
_PATIENT = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=30))


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedOrder:
    """An order that is silent for `silence_s` seconds is stuck."""

    order_id: OrderId
    silence_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedEvent:
    """`owed_by` is who has to speak next; until `waits_until` it may be silent, as a customer who has to pay."""

    event_id: str
    caused_by: str | None
    owed_by: str | None
    waits_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedEnd:
    status: OrderStatus
    events: list[str]


def witness_id(order_id: OrderId) -> str:
    return f"choreography-witness/{order_id}"


@workflow.defn
class ChoreographyWitness:
    @workflow.init
    def __init__(self, order: WitnessedOrder) -> None:
        self._order = order
        self._seen: dict[str, tuple[str, WitnessedEvent]] = {}
        self._spoken = self._heard = 0
        self._end: OrderStatus | None = None

    @workflow.run
    async def run(self, _order: WitnessedOrder) -> WitnessedEnd:
        stuck = False
        while self._end is None:
            spoke = await self._next_event(None if stuck else self._patience())
            if not spoke:
                self._show(STUCK, f"Silent for too long. {self._owed()}\n\nIts cancellation is asked for.")
                await self._ask_for_cancellation()
                stuck = True
            elif stuck and self._end is None:
                self._show(OrderStatus.PENDING, self._owed())
                stuck = False
            else:
                workflow.set_current_details(self._owed())
        self._show(self._end, f"{self._end} after {len(self._seen)} events")
        while await self._next_event(LINGER):
            pass
        return WitnessedEnd(status=self._end, events=self.events())

    @workflow.signal(dynamic=True)
    def happened(self, event_type: str, arguments: Sequence[RawValue]) -> None:
        """Late, early and repeated events are welcome: each counts once, whenever it comes."""
        event: WitnessedEvent = workflow.payload_converter().from_payload(arguments[0].payload, WitnessedEvent)
        if event.event_id not in self._seen:
            self._seen[event.event_id] = event_type, event
            self._spoken += event_type != _ASKED
        self._end = self._end or _ENDS.get(event_type)

    @workflow.query
    def events(self) -> list[str]:
        """The types of the events in the order in which they came."""
        return [event_type for event_type, _ in self._seen.values()]

    async def _next_event(self, patience: timedelta | None) -> bool:
        """Return whether one came in time."""
        try:
            await workflow.wait_condition(lambda: self._spoken > self._heard, timeout=patience)
        except TimeoutError:
            return False
        self._heard = self._spoken
        return True

    def _patience(self) -> timedelta:
        silence = timedelta(seconds=self._order.silence_s)
        until = [event.waits_until for _, event in self._latest() if event.waits_until is not None]
        return max([silence, *(moment - workflow.now() + silence for moment in until)])

    def _latest(self) -> list[tuple[str, WitnessedEvent]]:
        """Events that have caused no other one. The one that came last need not be among them: topics overtake."""
        causes = {event.caused_by for _, event in self._seen.values()}
        return [(event_type, event) for event_type, event in self._seen.values() if event.event_id not in causes]

    def _owed(self) -> str:
        owing = [(event_type, event.owed_by) for event_type, event in self._latest() if event.owed_by is not None]
        if not owing:
            return "Nobody owes an event."
        event_type, service = owing[-1]
        return f"Last event seen: `{event_type}`. The next one is owed by: {service}."

    def _show(self, status: str, details: str) -> None:
        workflow.upsert_search_attributes([SAGA_STATUS.value_set(status)])
        workflow.set_current_details(details)

    async def _ask_for_cancellation(self) -> None:
        await workflow.execute_activity_method(
            CancellationRequestActivities.request,
            self._order.order_id,
            start_to_close_timeout=_ATTEMPT,
            retry_policy=_PATIENT,
            summary="ask for the order's cancellation",
        )
