"""The port to the payment gateway."""

from dataclasses import dataclass
from typing import Protocol

from domain.money import Money
from domain.order import Reason
from messaging.errors import Fault


class GatewayFault(Fault):
    """The payment gateway gave no usable answer. The call may have had its effect."""

    def __init__(self, operation: str, detail: str) -> None:
        super().__init__(f"payment gateway: {operation}: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    charge_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitingCustomer:
    """The gateway is waiting for the customer to pay."""

    charge_id: str


class PaymentGateway(Protocol):
    """`key` is the idempotency key of one charge. A repeated call with the same key has no further effect.

    `amount` is at least one minor unit: 0 captured means that nothing was captured.

    Every method raises:
        GatewayFault: there was no usable answer; the call may have had its effect.
    """

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:
        """Charge a card. A key that was refunded before is declined."""
        ...

    def expect(self, key: str, amount: Money) -> Charged | AwaitingCustomer | Declined:
        """Ask the customer for an instant payment (pix). A key that was refunded before is declined.

        Charged: the customer has paid the amount already.
        """
        ...

    def settle(self, key: str) -> int:
        """Capture the money that the customer paid. Return the minor units captured, 0 for an unknown key."""
        ...

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        """Refund all of it, also money that arrives later under this key. Return the minor units refunded so far."""
        ...
