"""The view of a saga for an operator: search attributes, current details, and the progress query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Literal, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair

SAGA_STYLE = SearchAttributeKey.for_keyword("SagaStyle")
SAGA_STATUS = SearchAttributeKey.for_keyword("SagaStatus")
SAGA_STEP = SearchAttributeKey.for_keyword("SagaStep")

# The statuses of a saga under way. What a saga calls its ends is its own affair.
PENDING = "pending"
NEEDS_ATTENTION = "needs_attention"
Stuck = Literal["stuck"]
STUCK: Stuck = "stuck"

Progress = Literal["left", "running", "done", "refused", "failing"]

S = TypeVar("S", bound=str)
"""The names of a saga's steps and compensations: a StrEnum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(Generic[S]):
    step: S
    progress: Progress
    last_error: str | None = None


def first_attributes(style: str, step: str) -> list[SearchAttributePair[str]]:
    """Search attributes at the start of a saga or of its witness. None of them may contain personal data."""
    return [
        SearchAttributePair(SAGA_STYLE, style),
        SearchAttributePair(SAGA_STATUS, PENDING),
        SearchAttributePair(SAGA_STEP, step),
    ]


class SagaStatus(Generic[S]):
    """`steps`: shown as left until they run. Compensations are shown once they run.

    `slow_after`: from then on the running step is searchable. Each update of the search attributes costs the server a
    write, and most sagas end earlier.
    """

    def __init__(self, steps: Sequence[S], slow_after: timedelta) -> None:
        self._steps = {step: StepProgress(step=step, progress="left") for step in steps}
        self._slow_after = slow_after
        self._at: S | None = None  # not derivable from `_steps`: an interrupted step stays "running" until the end
        self._is_slow = False

    @property
    def steps(self) -> list[StepProgress[S]]:
        return list(self._steps.values())

    async def turn_slow(self) -> None:
        """Wait, then make the running step searchable, and from then on every later one."""
        await workflow.sleep(self._slow_after, summary="afterwards the current step is searchable")
        self._is_slow = True
        if self._at is not None:
            self._make_searchable(self._at)

    def running(self, step: S) -> None:
        self._set(step, "running")
        if self._is_slow:
            self._make_searchable(step)

    def done(self, step: S) -> None:
        self._set(step, "done")

    def refused(self, step: S) -> None:
        self._set(step, "refused")

    def failing(self, step: S, last_error: str) -> None:
        self._set(step, "failing", last_error)

    def show(self, status: str, step: S, details: str) -> None:
        show(status, step, details)

    def _make_searchable(self, step: S) -> None:
        workflow.upsert_search_attributes([SAGA_STEP.value_set(step)])

    def _set(self, step: S, progress: Progress, last_error: str | None = None) -> None:
        self._steps[step] = StepProgress(step=step, progress=progress, last_error=last_error)
        self._at = step if progress == "running" else None


def show(status: str, step: str, details: str) -> None:
    """Set the search attributes, and the details that the Temporal UI shows. `details` is Markdown."""
    workflow.upsert_search_attributes([SAGA_STATUS.value_set(status), SAGA_STEP.value_set(step)])
    workflow.set_current_details(details)
