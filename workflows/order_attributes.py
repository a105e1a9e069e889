"""How Temporal's search and UI know the saga of an order, and its witness, from their start."""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain.ids import OrderId
from domain.order import OrderRequest, SagaStyle, Step
from sagas import status
from services import names

ORDER_ID = SearchAttributeKey.for_keyword(names.ORDER_ID)


def first_attributes(order_id: OrderId, style: SagaStyle) -> TypedSearchAttributes:
    """Search attributes at the start of a saga. None of them contains personal data."""
    return TypedSearchAttributes(
        [*status.first_attributes(style, Step.CREATE_ORDER), SearchAttributePair(ORDER_ID, order_id)]
    )


def summary_of(request: OrderRequest) -> str:
    """Shown in the Temporal UI beside the workflow id."""
    return f"order of {lines(len(request.lines))}, paid by {request.payment.method}"


def lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"
