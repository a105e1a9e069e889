"""The services' databases for tests: SQLite files in a folder, or PostgreSQL databases of the run's own."""

import atexit
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from sqlalchemy import MetaData, NullPool, create_engine, delete, make_url, text

from adapters.sql.migrations import migrate
from adapters.sql.tables import GATEWAY, INVENTORY, ORDERS, PAYMENTS, SHIPPING
from messaging.sql.journal_tables import JOURNAL
from runtime.wiring import Databases
from services.names import DATABASES

_TABLES = {
    "order-service": ORDERS,
    "payment-service": PAYMENTS,
    "inventory-service": INVENTORY,
    "shipping-service": SHIPPING,
    "gateway": GATEWAY,
}


@dataclass(frozen=True, slots=True)
class Urls:
    """The settings that the wiring reads."""

    by_service: Mapping[str, str]

    def database_url(self, service: str) -> str:
        return self.by_service[service]


def sqlite_urls(folder: Path) -> Urls:
    return Urls({service: f"sqlite:///{folder / service}.db" for service in DATABASES})


def migrated(urls: Urls) -> Urls:
    for service in DATABASES:
        migrate(urls.database_url(service), service)
    return urls


def migrated_files(folder: Path) -> Urls:
    """Put empty SQLite databases of all services into the folder. Each test process migrates once, and then copies."""
    shutil.copytree(_template(), folder, dirs_exist_ok=True)
    return sqlite_urls(folder)


@cache
def _template() -> Path:
    folder = Path(mkdtemp(prefix="twinsaga-databases-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrated(sqlite_urls(folder))
    return folder


@contextmanager
def postgres_databases(server_url: str) -> Iterator[Urls]:
    """Databases with names of their own, dropped at the end."""
    server = make_url(server_url).set(drivername="postgresql+psycopg")
    names = {service: f"twinsaga_test_{uuid4().hex[:12]}_{service}" for service in DATABASES}
    engine = create_engine(
        server, isolation_level="AUTOCOMMIT", poolclass=NullPool
    )  # the server may be killed meanwhile
    try:
        with engine.connect() as connection:
            for name in names.values():
                connection.execute(text(f'CREATE DATABASE "{name}"'))
        yield migrated(
            Urls({s: server.set(database=name).render_as_string(hide_password=False) for s, name in names.items()})
        )
    finally:
        with engine.connect() as connection:
            for name in names.values():
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        engine.dispose()


def empty(databases: Databases) -> None:
    for database in (*databases.journals, databases.gateway):
        own = JOURNAL if database is not databases.gateway else MetaData()
        with database.writing() as connection:
            # Not TRUNCATE, which takes far longer for small tables.
            for table in (*own.sorted_tables, *_TABLES[database.service].sorted_tables):
                connection.execute(delete(table))
            connection.commit()
