"""The routing table that a user of `kafka_into_workflow` writes: what an event of each type does to a workflow.

A faulty route costs one record at most. The plain functions see one event and do no I/O, so any exception that they
raise makes that event a dead letter. The async ones (`Choose`, `TooLate`) may call services: see their docstrings.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import Any

from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from twinsaga_bridges.kafka.events import IncomingEvent

WorkflowId = Callable[[IncomingEvent], str]
"""Names the workflow. An empty name makes the event a dead letter."""

Argument = Callable[[IncomingEvent], Any]
"""Makes the argument of the workflow, its signal or its update, or returns Arguments for several or none."""

event_data: Argument = attrgetter("data")


class Arguments:
    """Returned by an Argument function for a workflow, a signal or an update that takes several arguments."""

    def __init__(self, *values: Any) -> None:  # noqa: ANN401 - whatever the data converter encodes
        self.values = values


NOTHING = Arguments()
"""Returned by an Argument function for a workflow, a signal or an update that takes no argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a workflow. By default nothing happens if one runs, or has run, under this id.

    `id_reuse_policy` decides about an id whose workflow has ended: ALLOW_DUPLICATE_FAILED_ONLY lets a new event start
    it again if it failed. `id_conflict_policy` decides about a running one: with FAIL the event is a dead letter.
    `memo` returns values for the data converter. Without the timeouts a workflow has none.
    """

    workflow: str
    workflow_id: WorkflowId
    task_queue: str
    argument: Argument = event_data
    summary: str | None = None
    search_attributes: Callable[[IncomingEvent], TypedSearchAttributes] | None = None
    memo: Callable[[IncomingEvent], Mapping[str, Any]] | None = None
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.REJECT_DUPLICATE
    id_conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.USE_EXISTING

    def __post_init__(self) -> None:
        if self.id_reuse_policy is WorkflowIDReusePolicy.TERMINATE_IF_RUNNING:
            raise ValueError("TERMINATE_IF_RUNNING is deprecated: set id_conflict_policy to TERMINATE_EXISTING")


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
    """Signal a workflow, and start it first if none runs and `start.id_reuse_policy` allows it.

    With its default a workflow starts once, and an event that arrives after its end is a dead letter. `argument` is the
    signal's, `start.argument` the workflow's: by default both get the data of the event that comes first.
    """

    signal: str
    start: Start
    argument: Argument = event_data

    def __post_init__(self) -> None:
        if self.start.id_conflict_policy is WorkflowIDConflictPolicy.FAIL:
            raise ValueError("a workflow that is signalled must be allowed to run: FAIL is for Start only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Update a workflow and wait for the result, which needs a running worker. A rejected update is a dead letter."""

    update: str
    workflow_id: WorkflowId
    argument: Argument = event_data


Route = Start | Signal | SignalWithStart | Update
Choose = Callable[[IncomingEvent], Awaitable[Route | None]]
"""Chooses the route of one event where its type does not decide; None: do nothing. It must be idempotent.

Its exceptions make the event a dead letter, except those that say that a service is away: OSError (and so every
ConnectionError and TimeoutError), KafkaError, RPCError, and the classes in the bridge's `away`. After these the event
is delivered again.
"""

Routes = Mapping[str, Route | Choose]
"""By event type. Events whose type has no route are skipped and counted: a topic may carry events for other readers."""
