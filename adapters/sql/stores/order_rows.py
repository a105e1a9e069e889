"""Rows of a table that has one row an order, as one transaction sees them."""

from typing import Any

from sqlalchemy import Connection, RowMapping, Table, insert, select, update

from adapters.sql.database import writes
from domain.ids import OrderId


class OrderRows:
    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._there: dict[OrderId, bool] = {}

    def find(self, order_id: OrderId) -> RowMapping | None:
        wanted = select(self._table).where(self._table.c.order_id == order_id)
        if writes(self._connection):
            wanted = wanted.with_for_update()
        row = self._connection.execute(wanted).mappings().first()
        self._there[order_id] = row is not None
        return row

    def add(self, order_id: OrderId, row: dict[str, Any]) -> None:
        self._connection.execute(insert(self._table), {"order_id": order_id} | row)
        self._there[order_id] = True

    def save(self, order_id: OrderId, row: dict[str, Any]) -> None:
        """Insert or update, whichever fits what this transaction saw, never whichever works.

        An upsert would overwrite the row of a concurrent transaction that this one has not seen. The insert fails
        there, as a ConcurrentChange.
        """
        if order_id not in self._there:
            self.find(order_id)
        if self._there[order_id]:
            self._connection.execute(update(self._table).where(self._table.c.order_id == order_id), row)
        else:
            self.add(order_id, row)
