"""The routing table that a user of `kafka_into_workflow` writes: what an event of each type does to a workflow.

A faulty route costs one record at most. The plain functions see one event and do no I/O, so any exception that they
raise makes that event a dead letter. The async ones (`Choose`, `TooLate`) may call services: see their docstrings.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from temporalio.common import TypedSearchAttributes

from twinsaga_bridges.kafka.events import IncomingEvent

WorkflowId = Callable[[IncomingEvent], str]
"""Names the workflow."""

Argument = Callable[[IncomingEvent], Any]
"""Makes the argument of the workflow, its signal or its update, or returns NOTHING."""

event_data: Argument = attrgetter("data")

NOTHING = object()
"""Returned by an Argument function for a signal or an update that takes no argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a workflow. If one runs, or has run, under this id, nothing happens."""

    workflow: str
    workflow_id: WorkflowId
    task_queue: str
    argument: Argument = event_data
    summary: str | None = None
    search_attributes: Callable[[IncomingEvent], TypedSearchAttributes] | None = None


TooLate = Callable[[IncomingEvent], Awaitable[None]]
"""Handles an event whose workflow does not run. It must be idempotent. Its exceptions count like those of Choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Signal a running workflow. If none runs, call `too_late`; without it the event is a dead letter."""

    signal: str
    workflow_id: WorkflowId
    argument: Argument = event_data
    too_late: TooLate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWithStart:
    """Signal a workflow, and start it first if it never ran. An event that arrives after its end is a dead letter."""

    signal: str
    start: Start
    argument: Argument = event_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Update a workflow and wait for the result, which needs a running worker. A rejected update is a dead letter."""

    update: str
    workflow_id: WorkflowId
    argument: Argument = event_data


Route = Start | Signal | SignalWithStart | Update
Choose = Callable[[IncomingEvent], Awaitable[Route | None]]
"""Chooses the route of one event where its type does not decide; None: do nothing. It must be idempotent.

The exceptions of bad data (`ValueError`, `KeyError`, `TypeError` and the like, see `EVENT_FAULTS`) make the event a
dead letter. After any other one, such as that of an unreachable database, the event is delivered again.
"""

Routes = Mapping[str, Route | Choose]
"""By event type. Events whose type has no route are skipped: a topic may carry events for other readers."""
