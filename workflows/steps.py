"""Steps and compensations as activity calls, each with its options."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.inventory import InventoryActivities
    from activities.orders import OrderActivities
    from activities.payments import PaymentActivities
    from activities.shipping import ShippingActivities
    from domain.commands import (
        AbortPayment,
        CancelOrder,
        CancelShipping,
        ChargePayment,
        ConfirmOrder,
        CreateOrder,
        FailedCompensation,
        RefundPayment,
        ReleaseInventory,
        ReserveInventory,
        ScheduleShipping,
        SellInventory,
        SettlePayment,
        ShowAttention,
    )
    from domain.events import (
        InventoryFailed,
        InventoryReserved,
        OrderCancelled,
        OrderCreated,
        PaymentCompleted,
        PaymentFailed,
        PaymentPending,
        PaymentRefunded,
        ShippingFailed,
        ShippingScheduled,
    )
    from domain.ids import OrderId
    from domain.order import Order, OrderRequest, Reason
    from workflows.compensations import Undoing
    from workflows.options import FORWARD, LOCAL_FORWARD, LOCAL_STEP, LOCAL_UNDO, STEP, UNDO
    from workflows.saga_status import lines


async def create_order(request: OrderRequest) -> OrderCreated | OrderCancelled:
    return await workflow.execute_local_activity_method(
        OrderActivities.create, CreateOrder(order=request), summary="price the lines", **LOCAL_STEP
    )


async def charge_payment(order: Order) -> PaymentCompleted | PaymentPending | PaymentFailed:
    return await workflow.execute_activity_method(
        PaymentActivities.charge,
        ChargePayment(order=order),
        summary=f"charge {order.total.amount} {order.total.currency} by {order.payment.method}",
        **STEP,
    )


async def settle_payment(order_id: OrderId) -> PaymentCompleted | PaymentRefunded | None:
    return await workflow.execute_activity_method(
        PaymentActivities.settle, SettlePayment(order_id=order_id), summary="book the pix payment", **FORWARD
    )


async def abort_payment(order_id: OrderId, reason: Reason) -> PaymentCompleted | PaymentPending | PaymentFailed:
    return await workflow.execute_activity_method(
        PaymentActivities.abort,
        AbortPayment(order_id=order_id, reason=reason),
        summary=f"stop waiting for money: {reason}",
        **FORWARD,
    )


async def reserve_inventory(order: Order) -> InventoryReserved | InventoryFailed:
    return await workflow.execute_local_activity_method(
        InventoryActivities.reserve,
        ReserveInventory(order=order),
        summary=f"reserve {lines(len(order.lines))}",
        **LOCAL_STEP,
    )


async def schedule_shipping(order: Order) -> ShippingScheduled | ShippingFailed:
    return await workflow.execute_activity_method(
        ShippingActivities.schedule, ScheduleShipping(order=order), summary="schedule shipping: the pivot", **STEP
    )


async def sell_inventory(order_id: OrderId) -> None:
    await workflow.execute_local_activity_method(
        InventoryActivities.sell, SellInventory(order_id=order_id), summary="count the pieces as sold", **LOCAL_FORWARD
    )


async def confirm_order(order_id: OrderId) -> None:
    await workflow.execute_local_activity_method(
        OrderActivities.confirm, ConfirmOrder(order_id=order_id), summary="confirm the order", **LOCAL_FORWARD
    )


async def cancel_shipping(undoing: Undoing) -> None:
    await workflow.execute_activity_method(
        ShippingActivities.cancel,
        CancelShipping(order_id=undoing.order_id, reason=undoing.reason),
        summary=f"cancel shipping: {undoing.reason}",
        **UNDO,
    )


async def release_inventory(undoing: Undoing) -> None:
    await workflow.execute_local_activity_method(
        InventoryActivities.release,
        ReleaseInventory(order_id=undoing.order_id, reason=undoing.reason),
        summary=f"release inventory: {undoing.reason}",
        **LOCAL_UNDO,
    )


async def refund_payment(undoing: Undoing) -> None:
    await workflow.execute_activity_method(
        PaymentActivities.refund,
        RefundPayment(order_id=undoing.order_id, reason=undoing.reason, asked_by_operator=undoing.asked_by_operator),
        summary=f"refund payment: {undoing.reason}",
        **UNDO,
    )


async def cancel_order(undoing: Undoing) -> None:
    await workflow.execute_local_activity_method(
        OrderActivities.cancel,
        CancelOrder(order_id=undoing.order_id, reason=undoing.reason),
        summary=f"cancel the order: {undoing.reason}",
        **LOCAL_UNDO,
    )


async def show_attention(order_id: OrderId, failed: FailedCompensation | None) -> None:
    await workflow.execute_local_activity_method(
        OrderActivities.show_attention, ShowAttention(order_id=order_id, failed=failed), **LOCAL_FORWARD
    )
