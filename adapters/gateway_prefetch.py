"""Asks the gateway for the money of many orders at once, ahead of the one transaction that books them all."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, Protocol

from domain.errors import GatewayFault
from domain.events import Event, OrderCreated
from domain.money import Money
from domain.order import Order
from services.payments.gateway import AwaitingCustomer, Charged, Declined, PaymentGateway
from services.payments.transitions import charge_key


class Prefetch(Protocol):
    """Does for many events at once, and ahead of their transaction, what takes long in reacting to one."""

    def ask(self, events: Sequence[Event]) -> int:
        """Return how many of the first of them are ready to be handled in a transaction."""
        ...

    def forget(self) -> None:
        """Drop what nobody took."""
        ...


class NoPrefetch:
    def ask(self, events: Sequence[Event]) -> int:
        return len(events)

    def forget(self) -> None:
        """There is nothing."""


_CALLS_AT_ONCE: Final = 16
_WAIT_S: Final = 10.0

Answer = Charged | AwaitingCustomer | Declined


class GatewayPrefetch:
    """A gateway that first tells what it answered ahead, be it a fault. Only one thread may charge."""

    def __init__(
        self, gateway: PaymentGateway, asking: Callable[[Order], Answer | None], wait_s: float = _WAIT_S
    ) -> None:
        """`asking` asks the gateway for an order's money; it returns None if that was decided before.

        What has no answer after `wait_s` counts as a fault.
        """
        self._gateway = gateway
        self._asking = asking
        self._wait_s = wait_s
        self._wait_until = 0.0
        self._asked: dict[str, Future[Answer | None]] = {}
        self._threads = ThreadPoolExecutor(_CALLS_AT_ONCE, "gateway")

    def ask(self, events: Sequence[Event]) -> int:
        """Ask for the money of the first events, up to one that wants none, or that is not answered well."""
        for event in events:
            if not isinstance(event, OrderCreated):
                break
            key = charge_key(event.order_id)
            if key not in self._asked:
                self._asked[key] = self._threads.submit(self._asking, event.order)
                self._wait_until = time.monotonic() + self._wait_s
        wait(self._asked.values(), timeout=max(0.0, self._wait_until - time.monotonic()))
        answered = [self._answered_well(event) for event in events]
        return [*answered, False].index(False)

    def forget(self) -> None:
        for future in self._asked.values():
            future.cancel()
        self._asked.clear()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:
        answer = self._take("charge", key)
        return answer if isinstance(answer, Charged | Declined) else self._gateway.charge(key, amount, token)

    def expect(self, key: str, amount: Money) -> AwaitingCustomer | Declined:
        answer = self._take("expect", key)
        return answer if isinstance(answer, AwaitingCustomer | Declined) else self._gateway.expect(key, amount)

    def settle(self, key: str) -> int:
        return self._gateway.settle(key)

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        return self._gateway.refund(key, asked_by_operator=asked_by_operator)

    def _answered_well(self, event: Event) -> bool:
        asked = self._asked.get(charge_key(event.order_id)) if isinstance(event, OrderCreated) else None
        return asked is not None and asked.done() and asked.exception() is None

    def _take(self, operation: str, key: str) -> Answer | None:
        asked = self._asked.pop(key, None)
        if asked is None:
            return None
        if not asked.done():
            raise GatewayFault(operation, f"no answer within {self._wait_s:g} s")
        return asked.result()
