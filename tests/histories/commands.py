"""The commands of a saga in order, which a change of the saga must keep."""

import json
from collections.abc import Callable

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory


def commands_of(history: WorkflowHistory) -> list[str]:
    return [_COMMANDS[event.event_type](event) for event in history.events if event.event_type in _COMMANDS]


def _activity(event: HistoryEvent) -> str:
    return event.activity_task_scheduled_event_attributes.activity_type.name


def _local_activity(event: HistoryEvent) -> str:
    (ran,) = event.marker_recorded_event_attributes.details["data"].payloads
    return f"{json.loads(ran.data)['activity_type']}, local"


def _child(event: HistoryEvent) -> str:
    return f"start {event.start_child_workflow_execution_initiated_event_attributes.workflow_type.name}"


_COMMANDS: dict[int, Callable[[HistoryEvent], str]] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _activity,
    EventType.EVENT_TYPE_MARKER_RECORDED: _local_activity,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: lambda _: "let go of the activity",
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: _child,
    EventType.EVENT_TYPE_TIMER_STARTED: lambda _: "start a timer",
    EventType.EVENT_TYPE_TIMER_CANCELED: lambda _: "stop the timer",
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: lambda _: "search attributes",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: lambda _: "complete",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: lambda _: "end as cancelled",
}


OK = [
    "start a timer",
    "create_order, local",
    "charge_payment",
    "reserve_inventory, local",
    "schedule_shipping",
    "confirm_order, local",
    "sell_inventory, local",
    "search attributes",
    "have_order_end_told, local",
    "complete",
]
