"""Fills the databases of a running stack with copies of finished orders.

The services themselves brought the originals to their end. So a copy has every row that an order leaves in each
database, in today's schema, and ids that are as random as real ones.
"""

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from adapters.sql.tables import charges
from domain.ids import OrderId, new_order_id
from messaging.ids import EventId
from services.names import DATABASE_OF, GATEWAY
from services.vocabulary import event_id_of

_JOURNALS = tuple(DATABASE_OF.values())
_DATABASES = (*_JOURNALS, GATEWAY)
_TABLES = ("orders", "payments", "reservations", "shipments", charges.name, "event_log", "steps", "inbox")
_KEY_COLUMN = {charges.name: "account", "event_log": "key", "steps": "key", "inbox": "message_id"}
"""The column by which a table finds an order, where that is not `order_id`."""

_SEQUENCE = "seq"
_TIME_COLUMNS = frozenset({"placed_at", "finished_at", "at", "handled_at", "expires_at"})
"""In microseconds since 1970."""

_ORDERS_PER_TRANSACTION = 2_000
"""A service that writes at the same time waits for less than a second, and gives up after five."""

_CACHE_KIB = 200_000
_LOCK_TIMEOUT_S = 10.0
_INTERVAL_US = 1_000_000

_Value = Callable[["_NewOrder"], Any]
"""Makes a column's value for a copy."""


@dataclass(frozen=True, slots=True)
class _NewOrder:
    """`event_ids` are by event type. All times of the order are `earlier_us` microseconds before the original's."""

    order_id: OrderId
    event_ids: Mapping[str, EventId]
    earlier_us: int


@dataclass(frozen=True, slots=True)
class _Template:
    """One original in one database: the types of its events by event id, its rows by their INSERT statement."""

    types: Mapping[EventId, str]
    rows: Mapping[str, Sequence[Sequence[_Value]]]

    def new_order(self, order_id: OrderId, earlier_us: int) -> _NewOrder:
        event_ids = {event_type: event_id_of(order_id, event_type) for event_type in self.types.values()}
        return _NewOrder(order_id, event_ids, earlier_us)


def copy_orders(folder: Path, models: Sequence[OrderId], orders: int, stop: threading.Event) -> list[OrderId]:
    """Make copies of the models in turn, placed a second apart until now; return their ids.

    Args:
        folder: the stack's data.
        models: ids of finished orders. One that is repeated gets more copies.
        orders: number of copies.
        stop: once it is set, the work breaks off and leaves the databases incomplete.
    """
    new = [(new_order_id(), model) for model, _ in zip(cycle(models), range(orders), strict=False)]
    types: dict[OrderId, dict[EventId, str]] = {model: {} for model in models}
    for name in _JOURNALS:
        with closing(_open(folder, name)) as connection:
            for model in types:
                query = "SELECT event_id, type FROM event_log WHERE key = ?"
                types[model] |= dict(connection.execute(query, [model]))
    for name in _DATABASES:
        with closing(_open(folder, name)) as connection:
            templates = {model: _template(connection, model, known) for model, known in types.items()}
            _insert(connection, templates, new, stop)
            if name == "inventory":
                _sell(connection, Counter(model for _, model in new))
    return [order_id for order_id, _ in new]


def _insert(
    connection: sqlite3.Connection,
    templates: Mapping[OrderId, _Template],
    new: Sequence[tuple[OrderId, OrderId]],
    stop: threading.Event,
) -> None:
    for start in range(0, len(new), _ORDERS_PER_TRANSACTION):
        if stop.is_set():
            return
        orders: dict[OrderId, list[_NewOrder]] = {model: [] for model in templates}
        for number, (order_id, model) in enumerate(new[start : start + _ORDERS_PER_TRANSACTION], start):
            orders[model].append(templates[model].new_order(order_id, (len(new) - number) * _INTERVAL_US))
        connection.execute("BEGIN IMMEDIATE")
        for model, copies in orders.items():
            for insertion, rows in templates[model].rows.items():
                connection.executemany(insertion, ([value(order) for value in row] for order in copies for row in rows))
        connection.execute("COMMIT")
    # Without a checkpoint every read of the services would search the large WAL first.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _sell(connection: sqlite3.Connection, copies: Mapping[OrderId, int]) -> None:
    """Restock and sell the pieces of the copies, so that the invariants of the stock hold."""
    for model, count in copies.items():
        query = "SELECT priced_order FROM reservations WHERE order_id = ? AND status = 'sold'"
        for (order,) in connection.execute(query, [model]).fetchall():
            for line in json.loads(order)["lines"]:
                pieces = count * int(line["quantity"])
                connection.execute(
                    "UPDATE stock SET sold = sold + ?, restocked = restocked + ? WHERE sku = ?",
                    [pieces, pieces, line["sku"]],
                )


def _open(folder: Path, name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / f"{name}.db", timeout=_LOCK_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")  # a crash may only lose made-up orders
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    return connection


def _template(connection: sqlite3.Connection, order_id: OrderId, types: Mapping[EventId, str]) -> _Template:
    """Read the rows that one database has of the order. `types` has its events of all services."""
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return _Template(types, dict(_rows_of(connection, name, order_id, types) for name in _TABLES if name in present))


def _rows_of(
    connection: sqlite3.Connection, name: str, order_id: OrderId, types: Mapping[EventId, str]
) -> tuple[str, list[list[_Value]]]:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})") if row[1] != _SEQUENCE]
    keys = list(types) if name == "inbox" else [order_id]
    marks, key_column = ", ".join("?" * len(keys)), _KEY_COLUMN.get(name, "order_id")
    query = f"SELECT {', '.join(columns)} FROM {name} WHERE {key_column} IN ({marks})"  # noqa: S608 - names of ours
    values = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({values})",  # noqa: S608 - names of ours
        [
            [_value(column, value, order_id, types) for column, value in zip(columns, row, strict=True)]
            for row in connection.execute(query, keys)
        ],
    )


def _value(column: str, value: Any, order_id: OrderId, types: Mapping[EventId, str]) -> _Value:  # noqa: ANN401 - a column's value
    """Return how a copy gets this value: with its own event ids, its own order id in any text, its own times."""
    if isinstance(value, str) and value in types:
        event_type = types[EventId(value)]
        return lambda order: order.event_ids[event_type]
    if isinstance(value, str) and order_id in value:
        pieces = value.split(order_id)
        return lambda order: order.order_id.join(pieces)
    if column in _TIME_COLUMNS and value is not None:
        return lambda order: value - order.earlier_us
    return lambda _: value
