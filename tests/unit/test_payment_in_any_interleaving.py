"""Our books and the gateway's agree at rest, for any interleaving of commands and any crash."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.simulated_gateway import Book, SimulatedGateway
from adapters.sql.stores.payments import SqlPaymentStore
from domain.commands import AbortPayment, ChargePayment, RefundPayment, SettlePayment
from domain.events import PaymentCompleted, PaymentFailed, PaymentRefunded
from domain.money import Money
from domain.order import Order, Reason
from messaging.sql.unit_of_work import SqlUnits
from runtime.wiring import Databases
from services.payments.gateway import AwaitingCustomer, Charged, Declined, GatewayFault
from services.payments.service import PaymentService
from services.payments.store import PaymentStatus
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import SettableClock, an_order
from tests.unit.interleaving import Interleaving, Killed

T = TypeVar("T")

PATIENCE = 12
TOKENS = ("tok_visa", "tok_gatewayFlaky", "tok_chargedThenTimeout", "tok_refundFlaky", "tok_refundFails", "pix")
COMMANDS = ("charge", "charge", "settle", "abort", "refund")


class PausingGateway:
    """The simulated gateway, with a switch to another command before and after each call."""

    def __init__(self, gateway: SimulatedGateway, interleaving: Interleaving) -> None:
        self._gateway = gateway
        self._interleaving = interleaving

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:
        return self._around(lambda: self._gateway.charge(key, amount, token))

    def expect(self, key: str, amount: Money) -> Charged | AwaitingCustomer | Declined:
        return self._around(lambda: self._gateway.expect(key, amount))

    def settle(self, key: str) -> int:
        return self._around(lambda: self._gateway.settle(key))

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        return self._around(lambda: self._gateway.refund(key, asked_by_operator=asked_by_operator))

    def _around(self, call: Callable[[], T]) -> T:
        self._interleaving.pause()
        answer = call()
        self._interleaving.pause()
        return answer


def until_it_succeeds(command: Callable[[bool], object]) -> Callable[[], None]:
    """Repeat a command that faults or crashes, as both styles do. The last attempts are by an operator."""

    def run() -> None:
        for attempt in range(PATIENCE):
            try:
                command(attempt > PATIENCE // 2)
            except (GatewayFault, Killed):
                continue
            return
        pytest.fail("it never succeeded")

    return run


def command_named(name: str, payments: PaymentService, order: Order) -> Callable[[], None]:
    order_id = order.order_id

    def refund(asked: bool) -> object:
        return payments.refund(RefundPayment(order_id=order_id, reason=Reason.OUT_OF_STOCK, asked_by_operator=asked))

    def abort(asked: bool) -> object:
        if asked:  # an abort whose refund keeps failing ends as a refund by an operator
            refund(asked)
        return payments.abort(AbortPayment(order_id=order_id, reason=Reason.TIMED_OUT))

    commands: dict[str, Callable[[bool], object]] = {
        "charge": lambda _: payments.charge(ChargePayment(order=order)),
        "settle": lambda _: payments.settle(SettlePayment(order_id=order_id)),
        "abort": abort,
        "refund": refund,
    }
    return until_it_succeeds(commands[name])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    token=st.sampled_from(TOKENS),
    charged=st.booleans(),
    names=st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=4),
    choices=st.lists(st.integers(0, 59), max_size=40),
    deaths=st.lists(st.booleans(), max_size=5),
)
@example(token="pix", charged=False, names=["charge", "settle"], choices=[0, 0, 1, 1, 1], deaths=[])
@example(token="pix", charged=True, names=["refund", "settle"], choices=[0, 0, 1, 1, 1, 1, 1, 1, 0], deaths=[])
@example(token="tok_visa", charged=False, names=["charge", "abort"], choices=[0, 0, 1, 1, 1, 1, 0, 1], deaths=[])
def test_our_books_and_the_gateways_agree(
    databases: Databases, token: str, charged: bool, names: list[str], choices: list[int], deaths: list[bool]
) -> None:
    turns, dies = iter(choices), iter(deaths)
    interleaving = Interleaving(lambda waiting: next(turns, 0) % waiting, lambda: next(dies, False))
    clock, gateway = SettableClock(), SimulatedGateway(databases.gateway)
    units = SqlUnits(databases.payments, ORDER_EVENTS, SqlPaymentStore, clock, publish=True)
    payments = PaymentService(units, PausingGateway(gateway, interleaving), clock)
    order = an_order(pix=True) if token == "pix" else an_order(token=token)

    if charged:
        command_named("charge", payments, order)()
    interleaving.run([command_named(name, payments, order) for name in names])

    held = [book for book in gateway.books() if book.key.startswith(order.order_id)]
    check(payments, order, held, undone=bool({"refund", "abort"} & set(names)))
    if token == "pix" and "settle" in names and not {"refund", "abort"} & set(names):
        booked = PaymentStatus.CAPTURED if charged or "charge" in names else PaymentStatus.PENDING
        found = payments.find(order.order_id)
        assert found is not None
        assert found.status is booked


def check(payments: PaymentService, order: Order, held: list[Book], *, undone: bool) -> None:
    payment = payments.find(order.order_id)
    events = [recorded.event for recorded in payments.journal(order.order_id).events]
    captured, refunded = sum(book.captured for book in held), sum(book.refunded for book in held)
    assert (captured, refunded) == ((payment.captured, payment.refunded) if payment else (0, 0))
    assert captured in {0, order.total.amount}
    assert refunded in {0, captured}
    said = {type(event) for event in events}
    assert not {PaymentCompleted, PaymentFailed} <= said
    if payment is not None and payment.status is PaymentStatus.CAPTURED:
        assert captured - refunded == order.total.amount
        assert PaymentCompleted in said
        assert PaymentRefunded not in said
    elif undone:
        assert captured == refunded
        assert said & {PaymentFailed, PaymentRefunded}
