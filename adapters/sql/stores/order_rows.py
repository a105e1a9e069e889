"""The rows of a table with one row per order, within one transaction."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, RowMapping, Table, bindparam, delete, insert, select, update

from domain.ids import OrderId
from messaging.sql.database import writes


class OrderRows:
    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._exists: dict[OrderId, bool] = {}

    def find(self, order_id: OrderId) -> RowMapping | None:
        wanted = _finding(self._table, locking=writes(self._connection))
        row = self._connection.execute(wanted, {"of_order": order_id}).mappings().first()
        self._exists[order_id] = row is not None
        return row

    def add(self, order_id: OrderId, row: dict[str, Any]) -> None:
        self._connection.execute(_adding(self._table), {"order_id": order_id} | row)
        self._exists[order_id] = True

    def save(self, order_id: OrderId, row: dict[str, Any]) -> None:
        """Insert or update, depending on whether this transaction has seen the row."""
        # No upsert: it would overwrite a concurrent transaction's row that this one has not seen. The insert raises
        # ConcurrentChange instead, and the retry sees the row.
        if order_id not in self._exists:
            self.find(order_id)
        if self._exists[order_id]:
            self._connection.execute(_changing(self._table), {"of_order": order_id} | row)
        else:
            self.add(order_id, row)

    def remove(self, order_id: OrderId) -> None:
        self._connection.execute(delete(self._table).where(self._table.c.order_id == order_id))
        self._exists[order_id] = False


@cache
def _finding(table: Table, *, locking: bool) -> Executable:
    # FOR UPDATE serialises the units of an order. SQLite ignores it: BEGIN IMMEDIATE serialises all writers there.
    wanted = select(table).where(table.c.order_id == bindparam("of_order"))
    return wanted.with_for_update() if locking else wanted


@cache
def _adding(table: Table) -> Executable:
    return insert(table)


@cache
def _changing(table: Table) -> Executable:
    return update(table).where(table.c.order_id == bindparam("of_order"))
