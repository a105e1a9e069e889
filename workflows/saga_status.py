"""What an operator sees of a saga: search attributes, details, and the progress that a query answers."""

from dataclasses import dataclass
from typing import Literal

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain.ids import OrderId
from domain.order import STEPS, OrderStatus, SagaStyle, Step

SAGA_STYLE = SearchAttributeKey.for_keyword("SagaStyle")
SAGA_STATUS = SearchAttributeKey.for_keyword("SagaStatus")
SAGA_STEP = SearchAttributeKey.for_keyword("SagaStep")
ORDER_ID = SearchAttributeKey.for_keyword("OrderId")

Progress = Literal["left", "running", "done", "refused", "failing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    step: Step
    progress: Progress
    last_error: str | None = None


def first_attributes(order_id: OrderId, style: SagaStyle) -> TypedSearchAttributes:
    """Search attributes of a saga that begins. None of them holds personal data."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(SAGA_STYLE, style),
            SearchAttributePair(SAGA_STATUS, OrderStatus.PENDING),
            SearchAttributePair(SAGA_STEP, Step.CREATE_ORDER),
            SearchAttributePair(ORDER_ID, order_id),
        ]
    )


class SagaStatus:
    def __init__(self) -> None:
        self._steps = {step: StepProgress(step=step, progress="left") for step in STEPS}

    @property
    def steps(self) -> list[StepProgress]:
        return list(self._steps.values())

    def step(self, step: Step, progress: Progress, last_error: str | None = None) -> None:
        self._steps[step] = StepProgress(step=step, progress=progress, last_error=last_error)

    def begin(self, step: Step) -> None:
        """For a step that may take long: its name becomes searchable."""
        self.step(step, "running")
        workflow.upsert_search_attributes([SAGA_STEP.value_set(step)])

    def show(self, status: OrderStatus, step: Step, details: str) -> None:
        """Make it searchable, and readable in the Temporal UI. `details` is Markdown."""
        workflow.upsert_search_attributes([SAGA_STATUS.value_set(status), SAGA_STEP.value_set(step)])
        workflow.set_current_details(details)
