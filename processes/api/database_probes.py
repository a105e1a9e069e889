"""Asks each database whether it answers."""

import asyncio
from functools import partial

from adapters.sql.database import Database
from runtime.probes import Probe
from runtime.wiring import Databases


def database_probes(databases: Databases) -> list[Probe]:
    named = {
        "orders": databases.orders,
        "payments": databases.payments,
        "inventory": databases.inventory,
        "shipping": databases.shipping,
        "gateway": databases.gateway,
    }
    return [database_probe(name, database) for name, database in named.items()]


def database_probe(name: str, database: Database) -> Probe:
    return Probe(f"{name} database", partial(_ask, database))


async def _ask(database: Database) -> None:
    # a thread of its own, which the deadline of whoever asks can leave behind
    await asyncio.to_thread(_select_one, database)


def _select_one(database: Database) -> None:
    with database.reading() as connection:
        connection.exec_driver_sql("SELECT 1")
