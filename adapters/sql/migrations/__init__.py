"""Brings a database to its newest revision."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from adapters.sql.database import Database

_FOLDER: Final = Path(__file__).parent
_ADVISORY_LOCK: Final = 0x6D696772617465
"""Any number that everybody who wants this lock takes. This one spells `migrate`."""


def migrate(url: str, service: str) -> None:
    """`service` is one of DATABASES. Of several processes that ask at once, one migrates and the others wait for it."""
    database = Database.open(url, service=service)
    try:
        if not database.is_postgres:
            database.file.parent.mkdir(parents=True, exist_ok=True)
        with database.reading() as connection:
            if _revision_of(connection) == newest_revision(service):
                return
        with _alone(database), database.writing() as connection:
            if _revision_of(connection) != newest_revision(service):
                _upgrade(connection, service)
                connection.commit()
    finally:
        database.close()


def newest_revision(service: str) -> str:
    """Read from the file names, which begin with the revision: that needs no Alembic, whose import takes its time."""
    return max(path.name for path in revisions_of(service).glob("[0-9]*.py")).split("_")[0]


def revisions_of(service: str) -> Path:
    return _FOLDER / "versions" / service


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, service: str) -> None:
    from alembic import command  # noqa: PLC0415 - see newest_revision
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("version_locations", str(revisions_of(service)))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    if database.is_postgres:
        with database.writing() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
            yield
        return
    with database.file.with_name(f"{database.file.name}.migration-lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
