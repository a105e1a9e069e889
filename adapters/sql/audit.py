"""Reads all databases for the audit. Each statement reads only one database."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, RowMapping, Select, Text, case, cast, func, select, true, union_all
from sqlalchemy.dialects.postgresql import JSONB

from adapters.sql.stores.inventory import reservation, stock_item
from adapters.sql.stores.orders import order_record
from adapters.sql.stores.payments import payment
from adapters.sql.stores.shipping import shipment
from adapters.sql.tables import charges, orders, payments, reservations, settlement_waits, shipments, stock, write_offs
from domain.ids import OrderId
from messaging.ids import EventId
from messaging.sql.chunks import CHUNK, chunked
from messaging.sql.database import Database
from messaging.sql.journal_tables import event_log, waits_in_outbox
from services.audit.books import Charge, Counted
from services.inventory.store import Reservation, ReservationStatus, Stock
from services.orders.store import OrderRecord
from services.payments.store import Payment
from services.shipping.store import Shipment

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedDatabases:
    orders: Database
    payments: Database
    inventory: Database
    shipping: Database
    gateway: Database

    @property
    def journals(self) -> Sequence[Database]:
        return (self.orders, self.payments, self.inventory, self.shipping)


class AuditReads:
    def __init__(self, databases: AuditedDatabases) -> None:
        self._databases = databases

    def orders(self) -> Iterator[Sequence[OrderRecord]]:
        for rows in _in_chunks(self._databases.orders, select(orders), orders.c.order_id):
            yield [order_record(row) for row in rows]

    def payments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Payment]:
        return _by_order(self._databases.payments, payments, order_ids, payment)

    def reservations(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Reservation]:
        return _by_order(self._databases.inventory, reservations, order_ids, reservation)

    def shipments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Shipment]:
        return _by_order(self._databases.shipping, shipments, order_ids, shipment)

    def charges(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Sequence[Charge]]:
        wanted = select(charges.c.account, charges.c.captured, charges.c.refunded)
        found: defaultdict[OrderId, list[Charge]] = defaultdict(list)
        with self._databases.gateway.reading() as connection:
            for some in chunked(order_ids):
                for account, captured, refunded in connection.execute(wanted.where(charges.c.account.in_(some))):
                    found[OrderId(account)].append(Charge(captured=captured, refunded=refunded))
        return found

    def orphans(self) -> Iterator[tuple[str, OrderId]]:
        # The order is written before the records that belong to it, so look for it after those were read.
        for database, column, wanted in (
            (self._databases.payments, payments.c.order_id, ~settlement_waits),
            (self._databases.inventory, reservations.c.order_id, true()),
            (self._databases.shipping, shipments.c.order_id, true()),
            (self._databases.gateway, charges.c.account, true()),
        ):
            for rows in _in_chunks(database, select(column.label("order_id")).where(wanted).distinct(), column):
                found = [row["order_id"] for row in rows]
                known = self._known(found)
                yield from ((database.service, OrderId(order_id)) for order_id in found if order_id not in known)

    def written_off(self) -> Iterator[Sequence[OrderId]]:
        for rows in _in_chunks(self._databases.orders, select(write_offs.c.order_id), write_offs.c.order_id):
            yield [row["order_id"] for row in rows]

    def stock(self) -> Iterator[tuple[Stock, Counted]]:
        # One statement, so that both sides of the comparison are of the same instant.
        for row in _streamed(self._databases.inventory, _stock_with_reservations(self._databases.inventory)):
            yield stock_item(row), Counted(reserved=row["counted_reserved"], sold=row["counted_sold"])

    def outbox_waiting(self, before: datetime) -> Iterator[tuple[str, OrderId]]:
        waiting = select(event_log.c.key).where(waits_in_outbox, event_log.c.at < before)
        for database in self._databases.journals:
            for row in _streamed(database, waiting.order_by(event_log.c.seq)):
                yield database.service, OrderId(row["key"])

    def handled_twice(self) -> Iterator[tuple[str, OrderId, EventId]]:
        twice = (
            select(event_log.c.key, event_log.c.caused_by)
            .where(event_log.c.caused_by.is_not(None))
            # Also by order: events of several sources may have one id.
            .group_by(event_log.c.key, event_log.c.caused_by)
            .having(func.count() > 1)
        )
        for database in self._databases.journals:
            for row in _streamed(database, twice):
                yield database.service, OrderId(row["key"]), EventId(row["caused_by"])

    def _known(self, order_ids: Sequence[str]) -> set[str]:
        known = (select(column).where(column.in_(order_ids)) for column in (orders.c.order_id, write_offs.c.order_id))
        with self._databases.orders.reading() as connection:
            return set(connection.execute(union_all(*known)).scalars())


def _in_chunks(database: Database, wanted: Select[Any], key: ColumnElement[str]) -> Iterator[Sequence[RowMapping]]:
    # One transaction per page: a long one would keep PostgreSQL from vacuuming, and SQLite from truncating its WAL.
    after: str | None = None
    while True:
        page = wanted.order_by(key).limit(CHUNK)
        with database.reading() as connection:
            rows = connection.execute(page if after is None else page.where(key > after)).mappings().all()
        if not rows:
            return
        yield rows
        after = rows[-1]["order_id"]


def _streamed(database: Database, wanted: Select[Any]) -> Iterator[RowMapping]:
    with database.reading() as connection:
        yield from connection.execution_options(yield_per=CHUNK).execute(wanted).mappings()


def _by_order(
    database: Database, table: FromClause, order_ids: Sequence[OrderId], read: Callable[[RowMapping], T]
) -> Mapping[OrderId, T]:
    found: dict[OrderId, T] = {}
    with database.reading() as connection:
        for some in chunked(order_ids):
            rows = connection.execute(select(table).where(table.c.order_id.in_(some))).mappings()
            found |= {row["order_id"]: read(row) for row in rows}
    return found


def _stock_with_reservations(database: Database) -> Select[Any]:
    # Counts the lines in the order that the reservation stores. A column with the sums could itself be wrong.
    sku: ColumnElement[str]
    quantity: ColumnElement[int]
    if database.is_postgres:
        lines = func.jsonb_array_elements(cast(reservations.c.priced_order, JSONB)["lines"]).table_valued("value")
        sku, quantity = lines.c.value.op("->>")("sku"), cast(lines.c.value.op("->>")("quantity"), stock.c.sold.type)
    else:
        lines = func.json_each(reservations.c.priced_order, "$.lines").table_valued("value")
        sku, quantity = func.json_extract(lines.c.value, "$.sku"), func.json_extract(lines.c.value, "$.quantity")
    counted = (
        select(
            cast(sku, Text).label("sku"),
            _sum_of(quantity, ReservationStatus.RESERVED).label("reserved"),
            _sum_of(quantity, ReservationStatus.SOLD).label("sold"),
        )
        .select_from(reservations.join(lines, true()))
        .where(reservations.c.status.in_([ReservationStatus.RESERVED, ReservationStatus.SOLD]))
        .group_by(sku)
        .subquery("counted")
    )
    return select(
        stock,
        func.coalesce(counted.c.reserved, 0).label("counted_reserved"),
        func.coalesce(counted.c.sold, 0).label("counted_sold"),
    ).select_from(stock.outerjoin(counted, counted.c.sku == stock.c.sku))


def _sum_of(quantity: ColumnElement[int], status: ReservationStatus) -> ColumnElement[int]:
    return cast(func.sum(case((reservations.c.status == status, quantity), else_=0)), stock.c.sold.type)
