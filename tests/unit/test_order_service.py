from datetime import timedelta

import pytest

from domain.commands import (
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    FailedCompensation,
    PlaceOrder,
    ReportLostSaga,
    RequestCancellation,
    ShowAttention,
)
from domain.errors import KeyReused, UnknownOrder
from domain.events import OrderCancellationRequested, OrderCancelled, OrderConfirmed, OrderCreated
from domain.ids import OrderId, Sku, new_order_id
from domain.money import Money
from domain.order import OrderRequest, OrderStatus, Reason, SagaStyle, Step
from runtime.wiring import Services
from services.orders.service import OrderService
from services.orders.store import Attention, Remedy, UnfinishedOrders
from tests.support.examples import BOOK, LAMP, PRICE, SettableClock, a_request


@pytest.fixture
def orders(services: Services) -> OrderService:
    services.orders.set_price(BOOK, PRICE)
    services.orders.set_price(LAMP, Money(amount=99, currency="BRL"))
    return services.orders


def placed(orders: OrderService, request: OrderRequest | None = None) -> OrderRequest:
    request = request or a_request()
    orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="f"))
    return request


def created(orders: OrderService) -> OrderId:
    request = placed(orders)
    orders.create(CreateOrder(order=request))
    return request.order_id


def types_of(orders: OrderService, order_id: OrderId) -> list[str]:
    return [recorded.event.type for recorded in orders.journal(order_id).events]


def test_placing_twice_is_placing_once(orders: OrderService) -> None:
    request = placed(orders)

    assert placed(orders, request) is request
    assert types_of(orders, request.order_id) == ["order.requested"]
    assert orders.find(request.order_id).status is OrderStatus.PENDING


def test_another_request_under_the_same_id_is_a_reused_key(orders: OrderService) -> None:
    request = placed(orders)

    with pytest.raises(KeyReused):
        orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="another"))


def test_creating_prices_the_lines_from_the_catalogue(orders: OrderService) -> None:
    request = placed(orders, a_request((BOOK, 3), (LAMP, 2)))

    answer = orders.create(CreateOrder(order=request))

    assert isinstance(answer, OrderCreated)
    assert answer.order.total == Money(amount=3 * 1_250 + 2 * 99, currency="BRL")


def test_a_price_that_changes_later_leaves_a_created_order_as_it_was(orders: OrderService) -> None:
    request = placed(orders)
    first = orders.create(CreateOrder(order=request))
    orders.set_price(BOOK, Money(amount=1, currency="BRL"))

    assert orders.create(CreateOrder(order=request)) == first
    assert types_of(orders, request.order_id) == ["order.requested", "order.created"]


def test_an_unknown_sku_ends_the_order(orders: OrderService) -> None:
    request = placed(orders, a_request((BOOK, 1), (Sku("NOTHING"), 1)))

    answer = orders.create(CreateOrder(order=request))

    assert answer == OrderCancelled(order_id=request.order_id, reason=Reason.UNKNOWN_SKU)
    assert orders.create(CreateOrder(order=request)) == answer
    assert orders.find(request.order_id).status is OrderStatus.CANCELLED


def test_lines_of_two_currencies_are_refused(orders: OrderService) -> None:
    orders.set_price(LAMP, Money(amount=5, currency="USD"))
    request = placed(orders, a_request((BOOK, 1), (LAMP, 1)))

    answer = orders.create(CreateOrder(order=request))

    assert answer == OrderCancelled(order_id=request.order_id, reason=Reason.MIXED_CURRENCIES)


def test_an_order_that_was_cancelled_before_it_was_created_stays_cancelled(orders: OrderService) -> None:
    request = placed(orders)
    orders.cancel(CancelOrder(order_id=request.order_id, reason=Reason.CANCELLED_BY_CUSTOMER))

    answer = orders.create(CreateOrder(order=request))

    assert answer == OrderCancelled(order_id=request.order_id, reason=Reason.CANCELLED_BY_CUSTOMER)


def test_a_confirmed_order_is_never_cancelled(orders: OrderService) -> None:
    order_id = created(orders)
    orders.confirm(ConfirmOrder(order_id=order_id))

    answer = orders.cancel(CancelOrder(order_id=order_id, reason=Reason.TIMED_OUT))

    assert answer == OrderConfirmed(order_id=order_id)
    assert orders.find(order_id).status is OrderStatus.CONFIRMED
    assert "order.cancelled" not in types_of(orders, order_id)


def test_confirming_twice_is_confirming_once(orders: OrderService, clock: SettableClock) -> None:
    order_id = created(orders)
    first = orders.confirm(ConfirmOrder(order_id=order_id))
    finished_at = orders.find(order_id).finished_at
    clock.pass_time(timedelta(hours=1))

    assert orders.confirm(ConfirmOrder(order_id=order_id)) == first
    assert orders.find(order_id).finished_at == finished_at
    assert types_of(orders, order_id).count("order.confirmed") == 1


def test_cancelling_twice_keeps_the_first_reason(orders: OrderService) -> None:
    order_id = created(orders)
    first = orders.cancel(CancelOrder(order_id=order_id, reason=Reason.OUT_OF_STOCK))

    assert orders.cancel(CancelOrder(order_id=order_id, reason=Reason.TIMED_OUT)) == first


def test_a_cancelled_order_cannot_be_confirmed(orders: OrderService) -> None:
    order_id = created(orders)
    orders.cancel(CancelOrder(order_id=order_id, reason=Reason.OUT_OF_STOCK))

    answer = orders.confirm(ConfirmOrder(order_id=order_id))

    assert answer == OrderCancelled(order_id=order_id, reason=Reason.OUT_OF_STOCK)
    assert orders.find(order_id).status is OrderStatus.CANCELLED


def failed_refund(order_id: OrderId, error: str = "GatewayFault: 503", reason: Reason | None = None) -> ShowAttention:
    return ShowAttention(
        order_id=order_id, failed=FailedCompensation(step=Step.REFUND_PAYMENT, error=error, reason=reason)
    )


def test_attention_is_shown_until_it_is_cleared(orders: OrderService) -> None:
    order_id = created(orders)

    orders.show_attention(failed_refund(order_id))
    assert orders.find(order_id).status is OrderStatus.NEEDS_ATTENTION
    orders.show_attention(ShowAttention(order_id=order_id, failed=None))
    assert orders.find(order_id).status is OrderStatus.PENDING


def test_an_order_that_needs_attention_keeps_the_reason_why_it_is_undone(orders: OrderService) -> None:
    order_id = created(orders)

    orders.show_attention(failed_refund(order_id, reason=Reason.UNDELIVERABLE_ADDRESS))
    orders.show_attention(failed_refund(order_id, reason=None))

    assert orders.find(order_id).reason is Reason.UNDELIVERABLE_ADDRESS


def test_a_repeated_failure_replaces_the_error_and_keeps_the_time_of_the_first(
    orders: OrderService, clock: SettableClock
) -> None:
    order_id = created(orders)

    orders.show_attention(failed_refund(order_id, "first"))
    clock.now += timedelta(minutes=1)
    orders.show_attention(failed_refund(order_id, "second"))
    repeated = orders.find(order_id).attention
    orders.show_attention(ShowAttention(order_id=order_id, failed=None))
    orders.show_attention(failed_refund(order_id, "third"))

    first = clock.now - timedelta(minutes=1)
    assert repeated == Attention(step=Step.REFUND_PAYMENT, since=first, error="second")
    assert orders.find(order_id).attention == Attention(step=Step.REFUND_PAYMENT, since=clock.now, error="third")


def test_a_finished_order_never_needs_attention(orders: OrderService) -> None:
    order_id = created(orders)
    orders.cancel(CancelOrder(order_id=order_id, reason=Reason.OUT_OF_STOCK))
    before = orders.find(order_id)

    orders.show_attention(failed_refund(order_id, reason=Reason.TIMED_OUT))

    assert orders.find(order_id) == before


def test_asking_twice_for_cancellation_is_asking_once(orders: OrderService) -> None:
    order_id = created(orders)
    wish = RequestCancellation(order_id=order_id, reason=Reason.CANCELLED_BY_CUSTOMER)

    assert orders.request_cancellation(wish) == orders.request_cancellation(wish)
    assert types_of(orders, order_id).count("order.cancellation_requested") == 1


def test_an_order_that_nobody_placed_is_unknown(orders: OrderService) -> None:
    with pytest.raises(UnknownOrder):
        orders.find(new_order_id())
    with pytest.raises(UnknownOrder):
        orders.cancel(CancelOrder(order_id=new_order_id(), reason=Reason.TIMED_OUT))


def test_an_order_is_unfinished_until_it_is_confirmed_or_cancelled(orders: OrderService, clock: SettableClock) -> None:
    request, other = placed(orders), placed(orders)
    clock.pass_time(timedelta(seconds=6))
    placed_before = clock() - timedelta(seconds=5)

    def unfinished(style: SagaStyle) -> set[OrderId]:
        wanted = UnfinishedOrders(style=style, placed_before=placed_before, limit=10)
        return {record.request.order_id for record in orders.unfinished(wanted)}

    orders.create(CreateOrder(order=request))
    assert unfinished(SagaStyle.CHOREOGRAPHED) == {request.order_id, other.order_id}
    assert unfinished(SagaStyle.ORCHESTRATED) == set()

    orders.confirm(ConfirmOrder(order_id=request.order_id))
    orders.cancel(CancelOrder(order_id=other.order_id, reason=Reason.TIMED_OUT))
    assert unfinished(SagaStyle.CHOREOGRAPHED) == set()


def test_an_order_that_is_being_undone_is_not_confirmed(orders: OrderService) -> None:
    order_id = created(orders)

    begun = orders.begin_cancellation(CancelOrder(order_id=order_id, reason=Reason.OUT_OF_STOCK))
    again = orders.begin_cancellation(CancelOrder(order_id=order_id, reason=Reason.TIMED_OUT))

    assert begun == again == OrderCancellationRequested(order_id=order_id, reason=Reason.OUT_OF_STOCK)
    refused = OrderCancelled(order_id=order_id, reason=Reason.OUT_OF_STOCK)
    assert orders.confirm(ConfirmOrder(order_id=order_id)) == refused
    assert orders.find(order_id).status is OrderStatus.PENDING


def test_a_confirmed_order_is_not_undone(orders: OrderService) -> None:
    order_id = created(orders)
    orders.confirm(ConfirmOrder(order_id=order_id))

    answer = orders.begin_cancellation(CancelOrder(order_id=order_id, reason=Reason.TIMED_OUT))

    assert answer == OrderConfirmed(order_id=order_id)
    assert orders.find(order_id).reason is None


def test_a_lost_saga_is_reported_once_and_replaces_what_needed_attention_before(
    orders: OrderService, clock: SettableClock
) -> None:
    order_id = created(orders)
    orders.show_attention(failed_refund(order_id, reason=Reason.OUT_OF_STOCK))
    lost = ReportLostSaga(order_id=order_id, step=Step.CANCEL_ORDER, error="terminated")

    assert orders.report_lost_saga(lost)
    assert not orders.report_lost_saga(lost)

    record = orders.find(order_id)
    attention = Attention(step=Step.CANCEL_ORDER, since=clock(), error="terminated", remedy=Remedy.REPAIR)
    assert (record.status, record.attention) == (OrderStatus.NEEDS_ATTENTION, attention)


def test_a_finished_order_has_lost_no_saga(orders: OrderService) -> None:
    order_id = created(orders)
    orders.confirm(ConfirmOrder(order_id=order_id))

    assert not orders.report_lost_saga(
        ReportLostSaga(order_id=order_id, step=Step.CONFIRM_ORDER, error="it is gone by retention")
    )
    assert orders.find(order_id).attention is None
