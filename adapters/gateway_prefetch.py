"""Calls the payment gateway for many orders at once, before the one transaction that records the answers of all.

A transaction must not wait for the gateway, and one call after the other would charge three cards a second at 300 ms.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from domain.events import OrderCreated
from domain.money import Money
from domain.order import Order
from services.payments.gateway import AwaitingCustomer, Charged, Declined, GatewayFault, PaymentGateway
from services.payments.transitions import charge_key

_MAX_CALLS: Final = 16
_WAIT_S: Final = 10.0

Answer = Charged | AwaitingCustomer | Declined


class GatewayPrefetch:
    """A gateway that returns the prefetched answer, or raises the prefetched fault; otherwise it calls the gateway.

    Each answer is used once. Only one thread may charge.
    """

    def __init__(
        self, gateway: PaymentGateway, request: Callable[[Order], Answer | None], wait_s: float = _WAIT_S
    ) -> None:
        """`request` asks the gateway to charge an order; it returns None if the payment is already decided.

        No answer within `wait_s` counts as a fault.
        """
        self._gateway = gateway
        self._request = request
        self._wait_s = wait_s
        self._wait_until = 0.0
        self._pending: dict[str, Future[Answer | None]] = {}
        self._threads = ThreadPoolExecutor(_MAX_CALLS, "gateway")

    def fetch(self, events: Sequence[object]) -> int:
        """Request the charges of the first events, up to one that is not an OrderCreated, and wait for the answers.

        Return how many of the first were answered without a fault.
        """
        for event in events:
            if not isinstance(event, OrderCreated):
                break
            key = charge_key(event.order_id)
            if key not in self._pending:
                self._pending[key] = self._threads.submit(self._request, event.order)
                self._wait_until = time.monotonic() + self._wait_s
        wait(self._pending.values(), timeout=max(0.0, self._wait_until - time.monotonic()))
        return [*map(self._is_answered, events), False].index(False)

    def discard(self) -> None:
        """Drop the answers that were not used."""
        # A call that was made and is dropped here is harmless: the next one has the same idempotency key.
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:
        answer = self._take("charge", key)
        return answer if isinstance(answer, Charged | Declined) else self._gateway.charge(key, amount, token)

    def expect(self, key: str, amount: Money) -> Charged | AwaitingCustomer | Declined:
        return self._take("expect", key) or self._gateway.expect(key, amount)

    def settle(self, key: str) -> int:
        return self._gateway.settle(key)

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        return self._gateway.refund(key, asked_by_operator=asked_by_operator)

    def _is_answered(self, event: object) -> bool:
        """Whether the gateway answered, and not with a fault."""
        future = self._pending.get(charge_key(event.order_id)) if isinstance(event, OrderCreated) else None
        return future is not None and future.done() and future.exception() is None

    def _take(self, operation: str, key: str) -> Answer | None:
        future = self._pending.pop(key, None)
        if future is None:
            return None
        if not future.done():
            raise GatewayFault(operation, f"no answer within {self._wait_s:g} s")
        return future.result()
