"""One order's rows as they stand in a service's database, and the same rows for other orders."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.sql.tables import charges
from domain.ids import EventId, OrderId, event_id_of

_MOMENTS = frozenset({"placed_at", "finished_at", "at", "handled_at", "expires_at"})
"""Columns of microseconds since 1970."""

_COUNTED_UP = "seq"
_TABLES = ("orders", "payments", "reservations", "shipments", charges.name, "event_log", "steps", "inbox")
_OWNER = {charges.name: "account", "inbox": "message_id"}


Value = Callable[["NewOrder"], Any]
"""Makes a column's value for another order."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """`events` are its event ids, by the type of the event; its moments are so many microseconds earlier."""

    order_id: OrderId
    events: Mapping[str, EventId]
    earlier_us: int


@dataclass(frozen=True, slots=True)
class TableRows:
    insertion: str
    rows: Sequence[Sequence[Value]]

    def copied(self, orders: Iterable[NewOrder]) -> Iterator[list[Any]]:
        for order in orders:
            for row in self.rows:
                yield [value(order) for value in row]


@dataclass(frozen=True, slots=True)
class Template:
    """An order that the services themselves brought to its end. `types` are those of its events, by event id."""

    types: Mapping[EventId, str]
    tables: Sequence[TableRows]

    def new_order(self, order_id: OrderId, earlier_us: int) -> NewOrder:
        events = {kind: event_id_of(order_id, kind) for kind in self.types.values()}
        return NewOrder(order_id, events, earlier_us)


def event_types(connection: sqlite3.Connection, order_id: OrderId) -> dict[EventId, str]:
    found = connection.execute("SELECT event_id, type FROM event_log WHERE order_id = ?", [order_id])
    return {EventId(event_id): kind for event_id, kind in found}


def template(connection: sqlite3.Connection, order_id: OrderId, types: Mapping[EventId, str]) -> Template:
    """Read what one database holds of the order. `types` has its events in all services."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables = [_rows_of(connection, name, order_id, types) for name in _TABLES if name in there]
    return Template(types, [table for table in tables if table.rows])


def _rows_of(connection: sqlite3.Connection, name: str, order_id: OrderId, types: Mapping[EventId, str]) -> TableRows:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})") if row[1] != _COUNTED_UP]
    keys = list(types) if name == "inbox" else [order_id]
    marks, owner = ", ".join("?" * len(keys)), _OWNER.get(name, "order_id")
    query = f"SELECT {', '.join(columns)} FROM {name} WHERE {owner} IN ({marks})"  # noqa: S608 - names of ours
    values = ", ".join("?" * len(columns))
    return TableRows(
        f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({values})",  # noqa: S608 - the same
        [
            [_value(column, value, order_id, types) for column, value in zip(columns, row, strict=True)]
            for row in connection.execute(query, keys)
        ],
    )


def _value(column: str, value: Any, order_id: OrderId, types: Mapping[EventId, str]) -> Value:  # noqa: ANN401 - a column's value
    """An event's id becomes that of the new order's event; the order's own id is put into every text that names it."""
    if isinstance(value, str) and value in types:
        kind = types[EventId(value)]
        return lambda order: order.events[kind]
    if isinstance(value, str) and order_id in value:
        pieces = value.split(order_id)
        return lambda order: order.order_id.join(pieces)
    if column in _MOMENTS and value is not None:
        return lambda order: value - order.earlier_us
    return lambda _: value
