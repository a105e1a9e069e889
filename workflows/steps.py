"""Steps and compensations as activity calls, each with its options."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.inventory import InventoryActivities
    from activities.orders import OrderActivities
    from activities.payments import PaymentActivities
    from activities.shipping import ShippingActivities
    from domain import commands, events
    from domain.ids import OrderId
    from domain.order import Order, OrderRequest, Reason, Step
    from sagas.attention import FailedUndo
    from workflows.options import FORWARD, LOCAL_FORWARD, LOCAL_STEP, LOCAL_UNDO, STEP, UNDO
    from workflows.order_attributes import lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """`order_undone`: the Order service refuses the confirmation from now on, so an earlier run cannot confirm."""

    order_id: OrderId
    reason: Reason
    order_undone: bool
    asked_by_operator: bool = False


async def create_order(request: OrderRequest) -> events.OrderCreated | events.OrderCancelled:
    return await workflow.execute_local_activity_method(
        OrderActivities.create, commands.CreateOrder(order=request), summary="price the lines", **LOCAL_STEP
    )


async def charge_payment(order: Order) -> events.PaymentCompleted | events.PaymentPending | events.PaymentFailed:
    return await workflow.execute_activity_method(
        PaymentActivities.charge,
        commands.ChargePayment(order=order),
        summary=f"charge {order.total} by {order.payment.method}",
        **STEP,
    )


async def settle_payment(order_id: OrderId) -> events.PaymentCompleted | events.PaymentRefunded | None:
    return await workflow.execute_activity_method(
        PaymentActivities.settle, commands.SettlePayment(order_id=order_id), summary="book the pix payment", **FORWARD
    )


async def abort_payment(
    order_id: OrderId, reason: Reason
) -> events.PaymentCompleted | events.PaymentPending | events.PaymentFailed:
    return await workflow.execute_activity_method(
        PaymentActivities.abort,
        commands.AbortPayment(order_id=order_id, reason=reason),
        summary=f"stop waiting for money: {reason}",
        **FORWARD,
    )


async def reserve_inventory(order: Order) -> events.InventoryReserved | events.InventoryFailed:
    return await workflow.execute_local_activity_method(
        InventoryActivities.reserve,
        commands.ReserveInventory(order=order),
        summary=f"reserve {lines(len(order.lines))}",
        **LOCAL_STEP,
    )


async def schedule_shipping(order: Order) -> events.ShippingScheduled | events.ShippingFailed:
    return await workflow.execute_activity_method(
        ShippingActivities.schedule,
        commands.ScheduleShipping(order=order),
        summary="schedule shipping: the pivot",
        **STEP,
    )


async def sell_inventory(order_id: OrderId) -> None:
    await workflow.execute_local_activity_method(
        InventoryActivities.sell,
        commands.SellInventory(order_id=order_id),
        summary="count the pieces as sold",
        **LOCAL_FORWARD,
    )


async def confirm_order(order_id: OrderId) -> events.OrderConfirmed | events.OrderCancelled:
    return await workflow.execute_local_activity_method(
        OrderActivities.confirm, commands.ConfirmOrder(order_id=order_id), summary="confirm the order", **LOCAL_FORWARD
    )


async def begin_cancellation(
    order_id: OrderId, reason: Reason
) -> events.OrderCancellationRequested | events.OrderConfirmed:
    return await workflow.execute_local_activity_method(
        OrderActivities.begin_cancellation,
        commands.CancelOrder(order_id=order_id, reason=reason),
        summary=f"from now on the order cannot be confirmed: {reason}",
        **LOCAL_FORWARD,
    )


async def withdraw_shipping(order_id: OrderId, reason: Reason) -> events.ShippingCancelled | events.ShippingScheduled:
    return await workflow.execute_activity_method(
        ShippingActivities.withdraw,
        commands.WithdrawShipping(order_id=order_id, reason=reason),
        summary="cancel shipping unless it is scheduled",
        **FORWARD,
    )


async def cancel_shipping(undoing: Undoing) -> None:
    await workflow.execute_activity_method(
        ShippingActivities.cancel,
        commands.CancelShipping(order_id=undoing.order_id, reason=undoing.reason),
        summary=f"cancel shipping: {undoing.reason}",
        **UNDO,
    )


async def release_inventory(undoing: Undoing) -> None:
    await workflow.execute_local_activity_method(
        InventoryActivities.release,
        commands.ReleaseInventory(order_id=undoing.order_id, reason=undoing.reason, order_undone=undoing.order_undone),
        summary=f"release inventory: {undoing.reason}",
        **LOCAL_UNDO,
    )


async def refund_payment(undoing: Undoing) -> None:
    await workflow.execute_activity_method(
        PaymentActivities.refund,
        commands.RefundPayment(
            order_id=undoing.order_id, reason=undoing.reason, asked_by_operator=undoing.asked_by_operator
        ),
        summary=f"refund payment: {undoing.reason}",
        **UNDO,
    )


async def cancel_order(undoing: Undoing) -> None:
    await workflow.execute_local_activity_method(
        OrderActivities.cancel,
        commands.CancelOrder(order_id=undoing.order_id, reason=undoing.reason),
        summary=f"cancel the order: {undoing.reason}",
        **LOCAL_UNDO,
    )


async def show_attention(order_id: OrderId, failed: FailedUndo[Step, Undoing] | None) -> None:
    shown = None
    if failed is not None:
        shown = commands.FailedCompensation(step=failed.step, error=failed.error, reason=failed.undoing.reason)
    await workflow.execute_local_activity_method(
        OrderActivities.show_attention, commands.ShowAttention(order_id=order_id, failed=shown), **LOCAL_FORWARD
    )
