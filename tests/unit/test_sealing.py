"""Card tokens and addresses are sealed for one place of one order, and opened with the keys of one service."""

from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, table, text

from adapters.key_ring import KeyRing, new_key
from adapters.sealing import AesGcmSeal
from adapters.simulated_gateway import SimulatedGateway
from domain.commands import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    PlaceOrder,
    ReserveInventory,
    ScheduleShipping,
)
from domain.events import InventoryReserved, OrderCreated, PaymentCompleted, ShippingFailed, ShippingScheduled
from domain.ids import OrderId
from domain.order import Card, Order, SagaStyle
from runtime.errors import CannotRun
from runtime.sealing import payment_seal, seals, shipping_seal
from runtime.settings import Settings
from runtime.wiring import Databases, audit_of, services_over
from services.sealing import BrokenSeal, NoKeyForSeal, Seals, opened_address, sealed_request
from tests.support.examples import BOOK, PRICE, SettableClock, a_request, address, an_order

OLD, NEW = new_key("2026-01"), new_key("2026-02")
SEAL = AesGcmSeal("payment-service", KeyRing.parse(OLD))
BOTH = Seals(payment=SEAL, shipping=AesGcmSeal("shipping-service", KeyRing.parse(NEW)))


def sealed(order: Order) -> Order:
    request = sealed_request(a_request(payment=order.payment, order_id=order.order_id), BOTH)
    address = sealed_request(replace(a_request(order_id=order.order_id), shipping_address=order.shipping_address), BOTH)
    return replace(order, payment=request.payment, shipping_address=address.shipping_address)


@given(st.text(max_size=200))
def test_what_was_sealed_is_opened(value: str) -> None:
    closed = SEAL.close(value, "order-1/payment.token")

    assert SEAL.open(closed, "order-1/payment.token") == value
    assert len(value) < 4 or value not in closed


def test_equal_values_look_different() -> None:
    assert SEAL.close("tok_visa", "p") != SEAL.close("tok_visa", "p")


def test_a_seal_is_of_one_place() -> None:
    with pytest.raises(BrokenSeal, match="another place"):
        SEAL.open(SEAL.close("tok_visa", "order-1/payment.token"), "order-2/payment.token")


@pytest.mark.parametrize("cut", [1, 30], ids=["of its end", "of all but the key"])
def test_a_changed_value_is_refused(cut: int) -> None:
    with pytest.raises(BrokenSeal):
        SEAL.open(SEAL.close("tok_visa", "p")[:-cut], "p")


@pytest.mark.parametrize("value", ["", "tok_visa", "sealed", "sealed.x", "sealed.2026-01.ä", "sealed.2026-01."])
def test_what_is_not_sealed_is_refused(value: str) -> None:
    with pytest.raises(BrokenSeal):
        SEAL.open(value, "p")


def test_what_an_earlier_version_accepted_is_opened_where_the_setting_says_so() -> None:
    lenient = AesGcmSeal("payment-service", KeyRing.parse(OLD), accept_unsealed=True)

    assert lenient.open("tok_visa", "p") == "tok_visa"
    with pytest.raises(BrokenSeal):
        lenient.open("sealed.2026-01.AAAA", "p")


def test_an_old_key_opens_until_it_is_removed() -> None:
    closed = SEAL.close("tok_visa", "p")
    rotated = AesGcmSeal("payment-service", KeyRing.parse(f"{NEW},{OLD}"))

    assert rotated.open(closed, "p") == "tok_visa"
    assert rotated.close("tok_visa", "p").startswith("sealed.2026-02.")
    with pytest.raises(NoKeyForSeal, match="2026-01"):
        AesGcmSeal("payment-service", KeyRing.parse(NEW)).open(closed, "p")


@pytest.mark.parametrize(
    "text",
    ["", "2026-01", "2026-01:secret", f"{OLD},{OLD}", f"{OLD},", "a b:" + "0" * 64],
    ids=["nothing", "no key", "not hexadecimal", "twice", "a trailing comma", "a space in the id"],
)
def test_a_wrong_key_is_named_without_its_value(text: str) -> None:
    with pytest.raises(ValueError, match="key") as wrong:
        KeyRing.parse(text)
    assert "secret" not in str(wrong.value)


def test_a_customer_cannot_pretend_that_an_address_is_sealed() -> None:
    request = replace(a_request(), shipping_address=replace(address(), street="sealed.2026-02.AAAA"))
    closed = sealed_request(request, BOTH)

    opened = opened_address(
        replace(an_order(order_id=request.order_id), shipping_address=closed.shipping_address), BOTH.shipping
    )
    assert opened.street == "sealed.2026-02.AAAA"


def test_only_its_service_opens_a_value(databases: Databases, clock: SettableClock) -> None:
    order = sealed(an_order(postal_code="00000"))
    assert isinstance(order.payment, Card)
    assert not {"tok_visa", *astuple(address("00000"))} & {order.payment.token, *astuple(order.shipping_address)}

    services = services_over(databases, clock, publish=True, seals=BOTH)
    charged = services.payments.charge(ChargePayment(order=order))
    assert isinstance(charged, PaymentCompleted)
    assert [book.token for book in SimulatedGateway(databases.gateway).books()] == ["tok_visa"]
    assert charged.order == replace(order, payment=Card(token=""))
    assert isinstance(services.shipping.schedule(ScheduleShipping(order=charged.order)), ShippingFailed)
    with pytest.raises(NoKeyForSeal):
        BOTH.shipping.open(order.payment.token, f"{order.order_id}/payment.token")


def test_an_order_of_another_id_is_neither_charged_nor_shipped(databases: Databases, clock: SettableClock) -> None:
    services = services_over(databases, clock, publish=True, seals=BOTH)
    other = replace(sealed(an_order()), order_id=OrderId("other"))

    with pytest.raises(BrokenSeal):
        services.payments.charge(ChargePayment(order=other))
    with pytest.raises(BrokenSeal):
        services.shipping.schedule(ScheduleShipping(order=other))
    assert list(SimulatedGateway(databases.gateway).books()) == []


def test_processes_of_one_data_folder_share_a_key_of_their_own(tmp_path: Path) -> None:
    here, there = Settings(data_dir=tmp_path / "here"), Settings(data_dir=tmp_path / "there")
    closed = seals(here).payment.close("tok_visa", "p")

    assert payment_seal(here).open(closed, "p") == "tok_visa"
    for other in (shipping_seal(here), payment_seal(there)):
        with pytest.raises(BrokenSeal):
            other.open(closed, "p")
    assert {file.name for file in (tmp_path / "here" / "keys").iterdir()} == {
        "payment_sealing_keys",
        "shipping_sealing_keys",
    }


def test_production_needs_keys(tmp_path: Path) -> None:
    settings = Settings(environment="production", data_dir=tmp_path, payment_sealing_keys=SecretStr(OLD))

    payment_seal(settings)
    with pytest.raises(CannotRun, match="TWINSAGA_SHIPPING_SEALING_KEYS is not set"):
        shipping_seal(settings)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CannotRun, match="TWINSAGA_PAYMENT_SEALING_KEYS: key 1"):
        payment_seal(settings.with_changes(payment_sealing_keys=SecretStr("x")))


def test_no_database_of_a_service_holds_a_token_or_an_address(databases: Databases, clock: SettableClock) -> None:
    services = services_over(databases, clock, publish=True, seals=BOTH)
    services.orders.set_price(BOOK, PRICE)
    services.inventory.restock(BOOK, "book", 10)
    request = sealed_request(a_request(), BOTH)

    services.orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="f"))
    created = services.orders.create(CreateOrder(order=request))
    assert isinstance(created, OrderCreated)
    charged = services.payments.charge(ChargePayment(order=created.order))
    assert isinstance(charged, PaymentCompleted)
    reserved = services.inventory.reserve(ReserveInventory(order=charged.order))
    assert isinstance(reserved, InventoryReserved)
    assert isinstance(services.shipping.schedule(ScheduleShipping(order=reserved.order)), ShippingScheduled)
    services.orders.confirm(ConfirmOrder(order_id=request.order_id))

    for database in databases.journals:
        with database.reading() as connection:
            names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
            rows = repr([connection.execute(select(text("*")).select_from(table(name))).all() for name in names])
        assert request.order_id in rows
        assert [word for word in ("tok_", "Ana Souza", "Paulista", "Sao Paulo", "01310") if word in rows] == []
    with databases.inventory.reading() as connection:
        assert isinstance(request.payment, Card)
        kept = connection.exec_driver_sql("SELECT priced_order FROM reservations").scalar_one()
        assert request.payment.token not in kept
    assert audit_of(databases, clock).broken == []
