"""The view of a saga for an operator: search attributes, current details, and the progress query."""

from dataclasses import dataclass
from typing import Literal

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain.ids import OrderId
from domain.order import STEPS, OrderRequest, OrderStatus, SagaStyle, Step
from services import names
from workflows.options import SLOW_AFTER

SAGA_STYLE = SearchAttributeKey.for_keyword(names.SAGA_STYLE)
SAGA_STATUS = SearchAttributeKey.for_keyword(names.SAGA_STATUS)
SAGA_STEP = SearchAttributeKey.for_keyword(names.SAGA_STEP)
ORDER_ID = SearchAttributeKey.for_keyword(names.ORDER_ID)

Progress = Literal["left", "running", "done", "refused", "failing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    step: Step
    progress: Progress
    last_error: str | None = None


def first_attributes(order_id: OrderId, style: SagaStyle) -> TypedSearchAttributes:
    """Search attributes at the start of a saga. None of them contains personal data."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(SAGA_STYLE, style),
            SearchAttributePair(SAGA_STATUS, OrderStatus.PENDING),
            SearchAttributePair(SAGA_STEP, Step.CREATE_ORDER),
            SearchAttributePair(ORDER_ID, order_id),
        ]
    )


def summary_of(request: OrderRequest) -> str:
    """Shown in the Temporal UI beside the workflow id."""
    return f"order of {lines(len(request.lines))}, paid by {request.payment.method}"


def lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


class SagaStatus:
    def __init__(self) -> None:
        self._steps = {step: StepProgress(step=step, progress="left") for step in STEPS}
        self._at: Step | None = None  # not derivable from `_steps`: an interrupted step stays "running" until the end
        self._is_slow = False

    @property
    def steps(self) -> list[StepProgress]:
        return list(self._steps.values())

    async def turn_slow(self) -> None:
        """Wait for SLOW_AFTER, then make the running step searchable, and from then on every later one."""
        await workflow.sleep(SLOW_AFTER, summary="afterwards the current step is searchable")
        self._is_slow = True
        if self._at is not None:
            self._make_searchable(self._at)

    def running(self, step: Step) -> None:
        self._set(step, "running")
        if self._is_slow:
            self._make_searchable(step)

    def done(self, step: Step) -> None:
        self._set(step, "done")

    def refused(self, step: Step) -> None:
        self._set(step, "refused")

    def failing(self, step: Step, last_error: str) -> None:
        self._set(step, "failing", last_error)

    def show(self, status: OrderStatus, step: Step, details: str) -> None:
        """Set the search attributes, and the details that the Temporal UI shows. `details` is Markdown."""
        workflow.upsert_search_attributes([SAGA_STATUS.value_set(status), SAGA_STEP.value_set(step)])
        workflow.set_current_details(details)

    def _make_searchable(self, step: Step) -> None:
        workflow.upsert_search_attributes([SAGA_STEP.value_set(step)])

    def _set(self, step: Step, progress: Progress, last_error: str | None = None) -> None:
        self._steps[step] = StepProgress(step=step, progress=progress, last_error=last_error)
        self._at = step if progress == "running" else None
