"""The books of the simulated gateway are right, whatever the test card does to its answers."""

import pytest
from sqlalchemy import make_url

from adapters.simulated_gateway import Book, SimulatedGateway
from domain.errors import ImpossibleState
from domain.money import Money
from domain.order import Reason
from messaging.sql.database import Database
from runtime.wiring import Databases
from services.payments.gateway import AwaitingCustomer, Charged, Declined, GatewayFault
from tests.support.service_databases import Urls

PRICE = Money(amount=2_500, currency="BRL")
KEY = "order-1/charge_payment"


@pytest.fixture
def gateway(databases: Databases) -> SimulatedGateway:
    return SimulatedGateway(databases.gateway)


def book(gateway: SimulatedGateway) -> Book:
    (only,) = gateway.books()
    return only


def balance(gateway: SimulatedGateway) -> tuple[int, int]:
    return book(gateway).captured, book(gateway).refunded


def faults(gateway: SimulatedGateway, token: str) -> int:
    """Charge until it succeeds; return how often it faulted."""
    for count in range(10):
        try:
            assert isinstance(gateway.charge(KEY, PRICE, token), Charged)
        except GatewayFault:
            continue
        return count
    pytest.fail("it never charged")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("tok_visa", 0),
        ("tok_gatewayFlaky", 2),
        ("tok_chargedThenTimeout", 1),
        ("tok_refundFlaky", 0),
        ("tok_refundFails", 0),
    ],
)
def test_a_good_card_is_charged_once_after_its_faults(gateway: SimulatedGateway, token: str, expected: int) -> None:
    assert faults(gateway, token) == expected

    assert gateway.charge(KEY, PRICE, token) == Charged(charge_id=book(gateway).charge_id)
    assert balance(gateway) == (2_500, 0)


def test_an_amount_of_0_is_not_charged(gateway: SimulatedGateway) -> None:
    nothing = Money(amount=0, currency="BRL")

    with pytest.raises(ImpossibleState, match="nothing to charge"):
        gateway.charge(KEY, nothing, "tok_visa")
    with pytest.raises(ImpossibleState, match="nothing to charge"):
        gateway.expect(KEY, nothing)

    assert list(gateway.books()) == []


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("tok_chargeDeclined", Reason.PAYMENT_DECLINED),
        ("tok_insufficientFunds", Reason.INSUFFICIENT_FUNDS),
        ("tok_nobodyKnows", Reason.PAYMENT_DECLINED),
    ],
)
def test_a_bad_card_is_declined_and_books_nothing(gateway: SimulatedGateway, token: str, reason: Reason) -> None:
    assert gateway.charge(KEY, PRICE, token) == Declined(reason=reason)
    assert list(gateway.books()) == []


def test_a_charge_whose_answer_is_lost_has_happened(gateway: SimulatedGateway) -> None:
    with pytest.raises(GatewayFault):
        gateway.charge(KEY, PRICE, "tok_chargedThenTimeout")

    assert balance(gateway) == (2_500, 0)


def test_a_key_belongs_to_one_amount(gateway: SimulatedGateway) -> None:
    gateway.charge(KEY, PRICE, "tok_visa")

    with pytest.raises(ImpossibleState):
        gateway.charge(KEY, PRICE + PRICE, "tok_visa")


def test_refunding_twice_gives_the_money_back_once(gateway: SimulatedGateway) -> None:
    gateway.charge(KEY, PRICE, "tok_visa")

    assert gateway.refund(KEY, asked_by_operator=False) == 2_500
    assert gateway.refund(KEY, asked_by_operator=False) == 2_500
    assert balance(gateway) == (2_500, 2_500)


def test_a_flaky_refund_faults_twice(gateway: SimulatedGateway) -> None:
    gateway.charge(KEY, PRICE, "tok_refundFlaky")
    for _ in range(2):
        with pytest.raises(GatewayFault):
            gateway.refund(KEY, asked_by_operator=False)

    assert gateway.refund(KEY, asked_by_operator=False) == 2_500


def test_a_failing_refund_waits_for_an_operator(gateway: SimulatedGateway) -> None:
    gateway.charge(KEY, PRICE, "tok_refundFails")
    for _ in range(5):
        with pytest.raises(GatewayFault):
            gateway.refund(KEY, asked_by_operator=False)

    assert gateway.refund(KEY, asked_by_operator=True) == 2_500
    assert gateway.refund(KEY, asked_by_operator=False) == 2_500


def test_a_refunded_key_is_not_charged_again(gateway: SimulatedGateway) -> None:
    assert gateway.refund(KEY, asked_by_operator=False) == 0

    assert gateway.charge(KEY, PRICE, "tok_visa") == Declined(reason=Reason.PAYMENT_DECLINED)
    assert gateway.expect(KEY, PRICE) == Declined(reason=Reason.PAYMENT_DECLINED)
    assert balance(gateway) == (0, 0)


def test_pix_is_captured_when_the_customer_pays(gateway: SimulatedGateway) -> None:
    expected = gateway.expect(KEY, PRICE)
    assert isinstance(expected, AwaitingCustomer)
    assert gateway.expect(KEY, PRICE) == expected
    assert balance(gateway) == (0, 0)

    assert gateway.settle(KEY) == 2_500
    assert gateway.settle(KEY) == 2_500
    assert balance(gateway) == (2_500, 0)


def test_pix_that_is_paid_after_its_refund_is_refunded_at_once(gateway: SimulatedGateway) -> None:
    gateway.expect(KEY, PRICE)
    assert gateway.refund(KEY, asked_by_operator=False) == 0

    assert gateway.settle(KEY) == 2_500
    assert balance(gateway) == (2_500, 2_500)
    assert gateway.refund(KEY, asked_by_operator=False) == 2_500


def test_an_instant_payment_that_was_made_is_not_asked_for_again(gateway: SimulatedGateway) -> None:
    asked = gateway.expect(KEY, PRICE)
    assert isinstance(asked, AwaitingCustomer)
    gateway.settle(KEY)

    assert gateway.expect(KEY, PRICE) == Charged(charge_id=asked.charge_id)


def test_an_unexpected_settlement_captures_nothing(gateway: SimulatedGateway) -> None:
    assert gateway.settle(KEY) == 0
    with pytest.raises(GatewayFault):
        gateway.charge(KEY, PRICE, "tok_gatewayFlaky")
    assert gateway.settle(KEY) == 0
    assert balance(gateway) == (0, 0)


def test_the_books_outlive_the_process(gateway: SimulatedGateway, databases: Databases, urls: Urls) -> None:
    with pytest.raises(GatewayFault):
        gateway.charge(KEY, PRICE, "tok_gatewayFlaky")
    databases.gateway.close()

    reopened = Database.open(urls.database_url("gateway"), service="gateway")
    assert faults(SimulatedGateway(reopened), "tok_gatewayFlaky") == 1
    reopened.close()


def test_a_gateway_whose_database_is_away_faults(urls: Urls) -> None:
    away = make_url(urls.database_url("gateway"))
    gone = away.set(database=f"{away.database}-gone/gone" if away.get_backend_name() == "sqlite" else "gone")
    database = Database.open(gone.render_as_string(hide_password=False), service="gateway")

    with pytest.raises(GatewayFault):
        SimulatedGateway(database).charge(KEY, PRICE, "tok_visa")
    database.close()
