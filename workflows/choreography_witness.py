"""The witness: a workflow that watches one choreographed order. The order runs the same without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.cancellation_requests import CancellationRequestActivities
    from domain.ids import OrderId
    from domain.order import OrderStatus
    from sagas.status import Stuck
    from sagas.witness import GIVES_UP_AFTER, EventTypes, Witness, WitnessedEvent
    from workflows.witnessed_steps import NEEDS_ATTENTION, step_after

EVENT_TYPES = EventTypes(
    ends={"order.confirmed": OrderStatus.CONFIRMED, "order.cancelled": OrderStatus.CANCELLED},
    needs_attention=NEEDS_ATTENTION,
    cancellation_requested="order.cancellation_requested",
    step_after=step_after,
)

_ATTEMPT = timedelta(seconds=30)
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=30))


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedOrder:
    """`silence_s`: seconds without an event after which the order counts as stuck."""

    order_id: OrderId
    silence_s: float


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
        self._witness = Witness(
            EVENT_TYPES,
            silence=timedelta(seconds=order.silence_s),
            request_cancellation=partial(request_cancellation, order.order_id),
        )

    @workflow.run
    async def run(self, _order: WitnessedOrder) -> WitnessedEnd:
        end = await self._witness.watch()
        return WitnessedEnd(status=end, events=self._witness.events)

    @workflow.signal(dynamic=True)
    def on_event(self, event_type: str, arguments: Sequence[RawValue]) -> None:
        event: WitnessedEvent = workflow.payload_converter().from_payload(arguments[0].payload, WitnessedEvent)
        self._witness.record(event_type, event)

    @workflow.query
    def events(self) -> list[str]:
        """The event types in order of arrival."""
        return self._witness.events


async def request_cancellation(order_id: OrderId) -> None:
    """Raises ActivityError: the request failed for GIVES_UP_AFTER."""
    await workflow.execute_activity_method(
        CancellationRequestActivities.request,
        order_id,
        start_to_close_timeout=_ATTEMPT,
        schedule_to_close_timeout=GIVES_UP_AFTER,
        retry_policy=_RETRY,
        summary="request the order's cancellation",
    )
