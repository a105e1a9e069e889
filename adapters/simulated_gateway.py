"""A payment gateway with a database of its own. The card's token decides what it does, as with Stripe's test cards.

An idempotency key stands for one charge: every call with the same key finds the result of the first one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from adapters.sql.tables import charges
from domain.errors import ImpossibleState
from domain.money import Money
from domain.order import Reason
from messaging.sql.database import Database
from messaging.sql.faults import DatabaseFault
from services.payments.gateway import AwaitingCustomer, Charged, Declined, GatewayFault

_REFUSALS: Final = {"tok_chargeDeclined": Reason.PAYMENT_DECLINED, "tok_insufficientFunds": Reason.INSUFFICIENT_FUNDS}
_CHARGED: Final = frozenset(
    {"tok_visa", "tok_gatewayFlaky", "tok_chargedThenTimeout", "tok_refundFlaky", "tok_refundFails"}
)
_CHARGE_FAULTS: Final = {"tok_gatewayFlaky": 2}
_REFUND_FAULTS: Final = {"tok_refundFlaky": 2}

_ADD: Final = insert(charges)
_CHANGE: Final = update(charges).where(charges.c.key == bindparam("of_key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The state of one key, in minor units. `amount` is None for a key that was refunded before any charge."""

    key: str
    charge_id: str
    instant: bool = False
    token: str | None = None
    amount: int | None = None
    currency: str | None = None
    captured: int = 0
    refunded: int = 0
    refund_asked: bool = False
    charge_faults: int = 0
    refund_faults: int = 0


_BOOKS: Final = select(*(charges.c[field.name] for field in fields(Book)))
_BOOK: Final = _BOOKS.where(charges.c.key == bindparam("of_key")).with_for_update()


class SimulatedGateway:
    def __init__(self, database: Database) -> None:
        self._database = database

    def charge(self, key: str, amount: Money, token: str) -> Charged | Declined:
        if token not in _CHARGED:
            return Declined(reason=_REFUSALS.get(token, Reason.PAYMENT_DECLINED))
        with self._books("charge", key) as (connection, book):
            if book is not None and book.refund_asked:
                return Declined(reason=Reason.PAYMENT_DECLINED)
            charge = _of_this_amount(book, key, amount, Book(key=key, charge_id=_charge_id(key), token=token))
            if charge.captured:
                return Charged(charge_id=charge.charge_id)
            if charge.charge_faults < _CHARGE_FAULTS.get(token, 0):
                _write(connection, book, replace(charge, charge_faults=charge.charge_faults + 1))
                raise GatewayFault("charge", "503 from the card network")
            _write(connection, book, replace(charge, captured=amount.amount))
            # The charge is committed, and the caller sees a timeout: its retry must find this charge.
            if token == "tok_chargedThenTimeout":  # noqa: S105 - a test card
                raise GatewayFault("charge", "no answer in time")
        return Charged(charge_id=charge.charge_id)

    def expect(self, key: str, amount: Money) -> Charged | AwaitingCustomer | Declined:
        with self._books("expect", key) as (connection, book):
            if book is not None and book.refund_asked:
                return Declined(reason=Reason.PAYMENT_DECLINED)
            expected = _of_this_amount(book, key, amount, Book(key=key, charge_id=_charge_id(key), instant=True))
            if expected != book:
                _write(connection, book, expected)
        if expected.captured:
            return Charged(charge_id=expected.charge_id)
        return AwaitingCustomer(charge_id=expected.charge_id)

    def settle(self, key: str) -> int:
        with self._books("settle", key) as (connection, book):
            if book is None or book.amount is None:
                return 0
            if book.captured or not book.instant:
                return book.captured
            # The refund came first: money that arrives after it goes back at once.
            refunded = book.amount if book.refund_asked else 0
            _write(connection, book, replace(book, captured=book.amount, refunded=refunded))
        return book.amount

    def refund(self, key: str, *, asked_by_operator: bool) -> int:
        with self._books("refund", key) as (connection, book):
            found = book or Book(key=key, charge_id=_charge_id(key))
            if found.captured > found.refunded and _refund_faults(found, asked_by_operator=asked_by_operator):
                _write(connection, book, replace(found, refund_faults=found.refund_faults + 1))
                raise GatewayFault("refund", "503 from the card network")
            # Also recorded without a charge, so that a charge that comes later under this key is declined.
            with_refund = replace(found, refund_asked=True, refunded=found.captured)
            if with_refund != book:
                _write(connection, book, with_refund)
        return with_refund.refunded

    def books(self) -> Iterator[Book]:
        """Yield the state of every key, sorted by key."""
        with self._database.reading() as connection:
            for row in connection.execution_options(yield_per=500).execute(_BOOKS.order_by(charges.c.key)).mappings():
                yield Book(**row)

    @contextmanager
    def _books(self, operation: str, key: str) -> "Iterator[tuple[Connection, Book | None]]":
        """Lock and yield the state of the key. To callers, a fault of this database is a fault of the gateway."""
        try:
            with self._database.writing() as connection:
                row = connection.execute(_BOOK, {"of_key": key}).mappings().first()
                yield connection, Book(**row) if row else None
        except DatabaseFault as away:
            raise GatewayFault(operation, str(away)) from away


def _of_this_amount(book: Book | None, key: str, amount: Money, new: Book) -> Book:
    if amount.amount == 0:
        raise ImpossibleState(f"key {key}: there is nothing to charge")
    if book is None:
        return replace(new, amount=amount.amount, currency=amount.currency)
    if (book.amount, book.currency) != (amount.amount, amount.currency):
        used = f"{book.amount} {book.currency}"
        raise ImpossibleState(
            f"key {key} was used for {used}, not for {amount.amount} {amount.currency}, in minor units"
        )
    return book


def _refund_faults(book: Book, *, asked_by_operator: bool) -> bool:
    if book.token == "tok_refundFails":  # noqa: S105 - a test card
        return not asked_by_operator
    return book.refund_faults < _REFUND_FAULTS.get(book.token or "", 0)


def _write(connection: Connection, before: Book | None, book: Book) -> None:
    """Insert or update, and commit: a fault that is raised afterwards must not undo it."""
    row = asdict(book) | {"account": book.key.partition("/")[0]}
    if before is None:
        connection.execute(_ADD, row)
    else:
        connection.execute(_CHANGE, {"of_key": book.key} | row)
    connection.commit()


def _charge_id(key: str) -> str:
    return f"ch_{blake2b(key.encode(), digest_size=10).hexdigest()}"
