"""What a span says of the order that it is about."""

from domain.ids import OrderId
from domain.order import SagaStyle
from messaging import tracing
from services.vocabulary import ORDER_EVENTS

ORDER_ID = ORDER_EVENTS.key_in_spans


def order_attributes(order_id: OrderId, style: SagaStyle) -> dict[str, str | int]:
    return {ORDER_ID: order_id, tracing.STYLE: style.value}
