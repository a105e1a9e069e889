"""Brings a database to its newest revision."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from messaging.sql.database import Database, make_private

_FOLDER: Final = Path(__file__).parent
_ADVISORY_LOCK: Final = 0x6D696772617465
"""An arbitrary number that all migrating processes share: the bytes of `migrate`."""


class UnknownRevision(Exception):
    """The database has a revision that this version contains no migration for. A retry does not help."""

    def __init__(self, service: str, revision: str) -> None:
        super().__init__(f"the database of {service} has revision {revision}, which this version does not contain")


def migrate(url: str, service: str) -> None:
    """Bring one database to its newest revision, once, however many processes call this at the same time.

    `service` is one of `services.names.DATABASES`. A SQLite file is created, with its folder. Raises
    UnknownRevision, or DatabaseFault: the database does not answer.
    """
    database = Database.open(url, service=service)
    try:
        if not database.is_postgres:
            make_private(database.file)
        if _is_newest(database, service):
            return
        # Checked again under the lock: another process may have migrated the database meanwhile.
        with _migration_lock(database):
            if not _is_newest(database, service):
                with database.writing() as connection:
                    _upgrade(connection, service)
                    connection.commit()
    finally:
        database.close()


def newest_revision(service: str) -> str:
    return max(_revisions(service))


def revisions_of(service: str) -> Path:
    return _FOLDER / "versions" / service


def _revisions(service: str) -> set[str]:
    """Read the file names, which begin with the revision: importing Alembic would slow every start down."""
    return {path.name.split("_")[0] for path in revisions_of(service).glob("[0-9]*.py")}


def _is_newest(database: Database, service: str) -> bool:
    with database.reading() as connection:
        migrated = inspect(connection).has_table("alembic_version")
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if migrated else None
    if revision is not None and revision not in _revisions(service):
        raise UnknownRevision(service, revision)
    return revision == newest_revision(service)


def _upgrade(connection: Connection, service: str) -> None:
    from alembic import command  # noqa: PLC0415 - see _revisions
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("version_locations", str(revisions_of(service)))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _migration_lock(database: Database) -> Iterator[None]:
    if database.is_postgres:
        with database.writing() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
            yield
        return
    # Beside the database: SQLite's own write lock gives up after WAIT_S, and a migration may take longer.
    with database.file.with_name(f"{database.file.name}.migration-lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
