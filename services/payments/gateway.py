"""What the Payment service asks of a payment gateway."""

from dataclasses import dataclass
from typing import Protocol

from domain.money import Money
from domain.order import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    charge_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitingCustomer:
    """The gateway waits for the customer to pay."""

    charge_id: str


class PaymentGateway(Protocol):
    """`key` is the idempotency key: all calls for one charge bear the same, and repeat to no further effect.

    Raises, from every method:
        GatewayFault: there was no usable answer; the call may or may not have had its effect.
    """

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:
        """Charge a card. A key that was refunded before is declined."""
        ...

    def expect(self, key: str, amount: Money) -> AwaitingCustomer | Declined:
        """Ask the customer for an instant payment (pix). A key that was refunded before is declined."""
        ...

    def settle(self, key: str) -> int:
        """Book the money that the customer paid; return the minor units captured, 0 for a key that it never saw."""
        ...

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        """Give all of it back, now or whenever money comes under this key; return the minor units refunded so far."""
        ...
