"""The services' databases for tests: SQLite files in a folder, or PostgreSQL databases of the run's own."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from adapters.sql.migrations import SERVICES, migrate


@dataclass(frozen=True, slots=True)
class Urls:
    """What the wiring needs of the settings."""

    by_service: Mapping[str, str]

    def database_url(self, service: str) -> str:
        return self.by_service[service]


def sqlite_urls(folder: Path) -> Urls:
    return Urls({service: f"sqlite:///{folder / service}.db" for service in SERVICES})


def migrated(urls: Urls) -> Urls:
    for service in SERVICES:
        migrate(urls.database_url(service), service)
    return urls


def copied(template: Path, folder: Path) -> Urls:
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return sqlite_urls(folder)


@contextmanager
def postgres_databases(server_url: str) -> Iterator[Urls]:
    """Databases with names of their own, dropped at the end."""
    server = make_url(server_url).set(drivername="postgresql+psycopg")
    names = {service: f"twinsaga_test_{uuid4().hex[:12]}_{service}" for service in SERVICES}
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
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


def emptied(urls: Urls) -> Urls:
    """The same PostgreSQL databases without a row in them."""
    for service in SERVICES:
        engine = create_engine(urls.database_url(service))
        with engine.begin() as connection:
            listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            tables = connection.execute(text(listed)).scalars().all()
            for table in tables:  # a TRUNCATE of small tables takes far longer
                connection.execute(text(f'DELETE FROM "{table}"'))  # noqa: S608 - a name out of the catalogue
        engine.dispose()
    return urls
