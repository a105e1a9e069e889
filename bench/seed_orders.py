"""Fills the databases of a running stack with finished orders: copies of a few that its services brought to their end.

So they have every row that an order leaves in each database, in today's schema, with ids as random as real ones.
"""

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path

from bench.seed_rows import NewOrder, Template, event_types, template
from domain.ids import EventId, OrderId, new_order_id
from services.names import DATABASE_OF, GATEWAY

_JOURNALS = tuple(DATABASE_OF.values())
_DATABASES = (*_JOURNALS, GATEWAY)
_AT_ONCE = 2_000
"""Orders of one transaction: a service that writes meanwhile waits less than a second, and has five."""

_CACHE_KIB = 200_000
_WAIT_S = 10.0
_APART_US = 1_000_000

Types = Mapping[EventId, str]


def fill(folder: Path, models: Sequence[OrderId], orders: int, stop: threading.Event) -> list[OrderId]:
    """Make so many orders, placed a second apart until now, each like the next one of `models`; return their ids.

    Once `stop` is set it breaks off, in the middle of the work.
    """
    new = [(new_order_id(), model) for model, _ in zip(cycle(models), range(orders), strict=False)]
    types: dict[OrderId, dict[EventId, str]] = {model: {} for model in models}
    for name in _JOURNALS:
        with closing(_opened(folder, name)) as connection:
            for model in types:
                types[model] |= event_types(connection, model)
    for name in _DATABASES:
        with closing(_opened(folder, name)) as connection:
            _fill(connection, {model: template(connection, model, known) for model, known in types.items()}, new, stop)
            if name == "inventory":
                _sell(connection, Counter(model for _, model in new))
    return [order_id for order_id, _ in new]


def _fill(
    connection: sqlite3.Connection,
    like: Mapping[OrderId, Template],
    new: Sequence[tuple[OrderId, OrderId]],
    stop: threading.Event,
) -> None:
    for start in range(0, len(new), _AT_ONCE):
        if stop.is_set():
            return
        orders: dict[OrderId, list[NewOrder]] = {model: [] for model in like}
        for number, (order_id, model) in enumerate(new[start : start + _AT_ONCE], start):
            orders[model].append(like[model].new_order(order_id, (len(new) - number) * _APART_US))
        connection.execute("BEGIN IMMEDIATE")
        for model, alike in orders.items():
            for table in like[model].tables:
                connection.executemany(table.insertion, table.copied(alike))
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else every read looks through what was just written


def _sell(connection: sqlite3.Connection, copies: Mapping[OrderId, int]) -> None:
    """The pieces of the new orders were once restocked, and are sold: the stock stays as it must be."""
    for model, count in copies.items():
        wanted = "SELECT priced_order FROM reservations WHERE order_id = ? AND status = 'sold'"
        for (order,) in connection.execute(wanted, [model]).fetchall():
            for line in json.loads(order)["lines"]:
                pieces = count * int(line["quantity"])
                connection.execute(
                    "UPDATE stock SET sold = sold + ?, restocked = restocked + ? WHERE sku = ?",
                    [pieces, pieces, line["sku"]],
                )


def _opened(folder: Path, name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / f"{name}.db", timeout=_WAIT_S, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")  # what is lost is only what was made up
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    return connection
