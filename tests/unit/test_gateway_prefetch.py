"""A prefetched answer or fault is used once, and a gateway that hangs delays nothing for long."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from adapters.gateway_prefetch import GatewayPrefetch
from domain.events import InventoryFailed, OrderCreated
from domain.money import Money
from domain.order import Card, Order, Reason
from services.payments.gateway import AwaitingCustomer, Charged, Declined, GatewayFault
from services.payments.transitions import charge_key
from tests.support.examples import an_order


@dataclass
class Gateway:
    """Records its calls. Waits for `silent`, if given, before it answers; a flaky card faults at its first call.

    `paid`: the customer has paid before.
    """

    paid: bool = False
    silent: threading.Event | None = None
    calls: list[str] = field(default_factory=list)

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:  # noqa: ARG002 - the protocol's
        self.calls.append(key)
        if self.silent is not None:
            assert self.silent.wait(30)
        if token == "tok_gatewayFlaky" and self.calls.count(key) == 1:
            raise GatewayFault("charge", "503")
        return Charged(charge_id=f"ch_{self.calls.count(key)}")

    def expect(self, key: str, amount: Money) -> Charged | AwaitingCustomer | Declined:  # noqa: ARG002 - the protocol's
        self.calls.append(key)
        return Charged(charge_id="pix") if self.paid else AwaitingCustomer(charge_id="pix")

    def settle(self, key: str) -> int:
        raise NotImplementedError(key)

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        raise NotImplementedError(key, asked_by_operator)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def prefetch(gateway: Gateway) -> Iterator[GatewayPrefetch]:
    prefetch = prefetch_of(gateway)
    yield prefetch
    prefetch.close()


def prefetch_of(gateway: Gateway, wait_s: float = 30.0) -> GatewayPrefetch:
    def request(order: Order) -> Charged | AwaitingCustomer | Declined | None:
        key = charge_key(order.order_id)
        if isinstance(order.payment, Card):
            return gateway.charge(key, order.total, order.payment.token)
        return gateway.expect(key, order.total)

    return GatewayPrefetch(gateway, request, wait_s)


def created(*orders: Order) -> list[OrderCreated]:
    return [OrderCreated(order_id=order.order_id, order=order) for order in orders]


def charge(prefetch: GatewayPrefetch, order: Order) -> Charged | Declined:
    assert isinstance(order.payment, Card)
    return prefetch.charge(charge_key(order.order_id), order.total, order.payment.token)


def test_an_answer_is_used_once_and_then_the_gateway_is_called(prefetch: GatewayPrefetch, gateway: Gateway) -> None:
    order, pix = an_order(), an_order(pix=True)

    assert prefetch.fetch(created(order, pix)) == 2

    assert charge(prefetch, order) == Charged(charge_id="ch_1")
    assert prefetch.expect(charge_key(pix.order_id), pix.total) == AwaitingCustomer(charge_id="pix")
    assert len(gateway.calls) == 2
    assert charge(prefetch, order) == Charged(charge_id="ch_2")


def test_an_instant_payment_that_was_paid_before_is_not_asked_for_again(
    prefetch: GatewayPrefetch, gateway: Gateway
) -> None:
    gateway.paid, pix = True, an_order(pix=True)
    prefetch.fetch(created(pix))

    assert prefetch.expect(charge_key(pix.order_id), pix.total) == Charged(charge_id="pix")
    assert len(gateway.calls) == 1


def test_a_fault_ends_the_ready_events_and_is_raised_once(prefetch: GatewayPrefetch, gateway: Gateway) -> None:
    first, flaky, last = an_order(), an_order(token="tok_gatewayFlaky"), an_order()

    assert prefetch.fetch(created(first, flaky, last)) == 1
    with pytest.raises(GatewayFault):
        charge(prefetch, flaky)

    assert gateway.calls.count(charge_key(flaky.order_id)) == 1
    assert prefetch.fetch(created(last)) == 1
    assert gateway.calls.count(charge_key(last.order_id)) == 1


def test_events_other_than_order_created_are_not_ready(prefetch: GatewayPrefetch, gateway: Gateway) -> None:
    order = an_order()
    refund = InventoryFailed(order_id=order.order_id, reason=Reason.OUT_OF_STOCK)

    assert prefetch.fetch([refund, *created(order)]) == 0

    assert gateway.calls == []


def test_after_a_discard_the_gateway_is_called_again(prefetch: GatewayPrefetch, gateway: Gateway) -> None:
    order = an_order()
    prefetch.fetch(created(order))

    prefetch.discard()

    assert charge(prefetch, order) == Charged(charge_id="ch_2")
    assert len(gateway.calls) == 2


def test_a_gateway_that_hangs_is_a_fault() -> None:
    gateway = Gateway(silent=threading.Event())
    prefetch = prefetch_of(gateway, wait_s=0.05)
    orders = [an_order() for _ in range(3)]
    try:
        for _ in orders:
            assert prefetch.fetch(created(*orders)) == 0
        with pytest.raises(GatewayFault, match="no answer"):
            charge(prefetch, orders[0])
    finally:
        assert gateway.silent is not None
        gateway.silent.set()
        prefetch.close()
