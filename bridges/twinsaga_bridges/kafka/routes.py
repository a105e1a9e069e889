"""What an event does to a workflow: the table that a user of the bridge writes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.common import TypedSearchAttributes

from twinsaga_bridges.kafka.events import IncomingEvent

WorkflowId = Callable[[IncomingEvent], str]
"""Raises ValueError, KeyError or TypeError for an event that names no workflow."""

Argument = Callable[[IncomingEvent], Any]
"""Makes what the workflow gets. Raises as WorkflowId does."""


NOTHING = object()
"""An argument function returns it when the workflow's signal or update takes no argument."""


def whole(event: IncomingEvent) -> Any:  # noqa: ANN401 - JSON
    """Pass the event's data as it is."""
    return event.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a workflow. One that runs or has ended under this id is left as it is."""

    workflow: str
    workflow_id: WorkflowId
    task_queue: str
    argument: Argument = whole
    summary: str | None = None
    search_attributes: Callable[[IncomingEvent], TypedSearchAttributes] | None = None


TooLate = Callable[[IncomingEvent], Awaitable[None]]
"""What to do with an event whose workflow does not run. It may run twice. Whatever it raises is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Signal a workflow that runs. When none does, the event is a dead letter, or is for `too_late`."""

    signal: str
    workflow_id: WorkflowId
    argument: Argument = whole
    too_late: TooLate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWithStart:
    """Signal a workflow, which is started first if it never ran. An event that comes after its end is a dead letter."""

    signal: str
    start: Start
    argument: Argument = whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Update a workflow and wait for its answer, which takes a running worker. A rejected one is a dead letter."""

    update: str
    workflow_id: WorkflowId
    argument: Argument = whole


Route = Start | Signal | SignalWithStart | Update
Choose = Callable[[IncomingEvent], Awaitable[Route | None]]
"""Decides for each event, when its type alone does not say it; None: nothing is left to do.

It may run again for the same event, so what it writes must bear that. Raises ValueError, KeyError or TypeError for an
event that no repetition helps; after anything else the event is tried again.
"""

Routes = Mapping[str, Route | Choose]
"""By event type. An event whose type has no route is skipped: topics carry more than one reader wants."""
