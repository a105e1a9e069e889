"""Rows of a table that has one row an order, as one transaction sees them."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, RowMapping, Table, bindparam, insert, select, update

from adapters.sql.database import writes
from domain.ids import OrderId


class OrderRows:
    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._there: dict[OrderId, bool] = {}

    def find(self, order_id: OrderId) -> RowMapping | None:
        wanted = _finding(self._table, locking=writes(self._connection))
        row = self._connection.execute(wanted, {"of_order": order_id}).mappings().first()
        self._there[order_id] = row is not None
        return row

    def add(self, order_id: OrderId, row: dict[str, Any]) -> None:
        self._connection.execute(_adding(self._table), {"order_id": order_id} | row)
        self._there[order_id] = True

    def save(self, order_id: OrderId, row: dict[str, Any]) -> None:
        """Insert or update, whichever fits what this transaction saw, never whichever works.

        An upsert would overwrite the row of a concurrent transaction that this one has not seen. The insert fails
        there, as a ConcurrentChange.
        """
        if order_id not in self._there:
            self.find(order_id)
        if self._there[order_id]:
            self._connection.execute(_changing(self._table), {"of_order": order_id} | row)
        else:
            self.add(order_id, row)


@cache
def _finding(table: Table, *, locking: bool) -> Executable:
    wanted = select(table).where(table.c.order_id == bindparam("of_order"))
    return wanted.with_for_update() if locking else wanted


@cache
def _adding(table: Table) -> Executable:
    return insert(table)


@cache
def _changing(table: Table) -> Executable:
    return update(table).where(table.c.order_id == bindparam("of_order"))
