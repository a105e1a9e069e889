"""What was asked of the gateway ahead is told once, be it a fault, and what hangs holds up nobody for long."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from adapters.gateway_prefetch import GatewayPrefetch
from domain.errors import GatewayFault
from domain.events import InventoryFailed, OrderCreated
from domain.money import Money
from domain.order import Card, Order, Reason
from services.payments.gateway import AwaitingCustomer, Charged, Declined
from services.payments.transitions import charge_key
from tests.support.examples import an_order


@dataclass
class Gateway:
    """Counts its calls. `silent` until the event is set, if there is one; a flaky card faults at its first call."""

    silent: threading.Event | None = None
    calls: list[str] = field(default_factory=list)

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:  # noqa: ARG002 - the protocol's
        self.calls.append(key)
        if self.silent is not None:
            assert self.silent.wait(30)
        if token == "tok_gatewayFlaky" and self.calls.count(key) == 1:
            raise GatewayFault("charge", "503")
        return Charged(charge_id=f"ch_{self.calls.count(key)}")

    def expect(self, key: str, amount: Money) -> AwaitingCustomer | Declined:  # noqa: ARG002 - the protocol's
        self.calls.append(key)
        return AwaitingCustomer(charge_id="pix")

    def settle(self, key: str) -> int:
        raise NotImplementedError(key)

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        raise NotImplementedError(key, asked_by_operator)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def ahead(gateway: Gateway) -> Iterator[GatewayPrefetch]:
    ahead = ahead_of(gateway)
    yield ahead
    ahead.close()


def ahead_of(gateway: Gateway, wait_s: float = 30.0) -> GatewayPrefetch:
    def asking(order: Order) -> Charged | AwaitingCustomer | Declined | None:
        key = charge_key(order.order_id)
        if isinstance(order.payment, Card):
            return gateway.charge(key, order.total, order.payment.token)
        return gateway.expect(key, order.total)

    return GatewayPrefetch(gateway, asking, wait_s)


def created(*orders: Order) -> list[OrderCreated]:
    return [OrderCreated(order_id=order.order_id, order=order) for order in orders]


def charge(ahead: GatewayPrefetch, order: Order) -> Charged | Declined:
    assert isinstance(order.payment, Card)
    return ahead.charge(charge_key(order.order_id), order.total, order.payment.token)


def test_an_answer_is_told_once_and_then_the_gateway_is_asked(ahead: GatewayPrefetch, gateway: Gateway) -> None:
    order, pix = an_order(), an_order(pix=True)

    assert ahead.ask(created(order, pix)) == 2

    assert charge(ahead, order) == Charged(charge_id="ch_1")
    assert ahead.expect(charge_key(pix.order_id), pix.total) == AwaitingCustomer(charge_id="pix")
    assert len(gateway.calls) == 2
    assert charge(ahead, order) == Charged(charge_id="ch_2")


def test_a_fault_ends_what_is_ready_and_is_told_without_another_call(ahead: GatewayPrefetch, gateway: Gateway) -> None:
    first, flaky, last = an_order(), an_order(token="tok_gatewayFlaky"), an_order()

    assert ahead.ask(created(first, flaky, last)) == 1
    with pytest.raises(GatewayFault):
        charge(ahead, flaky)

    assert gateway.calls.count(charge_key(flaky.order_id)) == 1
    assert ahead.ask(created(last)) == 1
    assert gateway.calls.count(charge_key(last.order_id)) == 1


def test_events_that_ask_for_no_money_are_not_ready(ahead: GatewayPrefetch, gateway: Gateway) -> None:
    order = an_order()
    refund = InventoryFailed(order_id=order.order_id, reason=Reason.OUT_OF_STOCK)

    assert ahead.ask([refund, *created(order)]) == 0

    assert gateway.calls == []


def test_what_is_forgotten_is_asked_again(ahead: GatewayPrefetch, gateway: Gateway) -> None:
    order = an_order()
    ahead.ask(created(order))

    ahead.forget()

    assert charge(ahead, order) == Charged(charge_id="ch_2")
    assert len(gateway.calls) == 2


def test_a_gateway_that_hangs_is_a_fault() -> None:
    gateway = Gateway(silent=threading.Event())
    ahead = ahead_of(gateway, wait_s=0.05)
    orders = [an_order() for _ in range(3)]
    try:
        for _ in orders:
            assert ahead.ask(created(*orders)) == 0
        with pytest.raises(GatewayFault, match="no answer"):
            charge(ahead, orders[0])
    finally:
        assert gateway.silent is not None
        gateway.silent.set()
        ahead.close()
