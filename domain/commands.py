"""Commands: each asks one service for one effect. A repeated command has no further effect."""

from dataclasses import dataclass

from domain.ids import OrderId
from domain.order import Order, OrderRequest, Reason, SagaStyle, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """`fingerprint` is a digest of the caller's request. The same order id with a different one is a reused key."""

    request: OrderRequest
    style: SagaStyle
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOrder:
    order: OrderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmOrder:
    order_id: OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    order_id: OrderId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCancellation:
    order_id: OrderId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCompensation:
    """`error`: the last error of `step`, without personal data. `reason`: why the order is undone; None if unknown."""

    step: Step
    error: str
    reason: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowAttention:
    """`failed` is the compensation that an operator has to retry; None once the retry was requested."""

    order_id: OrderId
    failed: FailedCompensation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLostSaga:
    """The order is unfinished and no workflow runs for it. `step` is due; `error` says what became of the workflow."""

    order_id: OrderId
    step: Step
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePayment:
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlePayment:
    order_id: OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortPayment:
    """Stop waiting for the payment: it expired, or its charge ran out of attempts."""

    order_id: OrderId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment:
    """`asked_by_operator`: an operator retries a refund that kept failing."""

    order_id: OrderId
    reason: Reason
    asked_by_operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveInventory:
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class SellInventory:
    order_id: OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInventory:
    """`order_undone`: the Order service refuses the confirmation, so pieces that are already sold return too."""

    order_id: OrderId
    reason: Reason
    order_undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleShipping:
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelShipping:
    order_id: OrderId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawShipping:
    """Cancel the shipment unless it is scheduled. Scheduling is the pivot: after it a customer cannot cancel."""

    order_id: OrderId
    reason: Reason
