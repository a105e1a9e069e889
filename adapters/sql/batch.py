"""One transaction for what many messages cause, since its commit, synced to disk, costs more than what is in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from adapters.sql.database import Database

Opened = tuple[Connection, Callable[[], None]]
"""A connection, and what makes lasting what is done on it until the block ends."""

_PART = "part"
"""One name is enough: none is opened within another."""


class Batch:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @contextmanager
    def part(self) -> Iterator[Opened]:
        """Open a unit. Unless it was committed, into the batch, it alone is undone at the end of the block."""
        # By hand: SQLAlchemy's own savepoints cost as much as a statement each.
        execute, is_open = self.connection.exec_driver_sql, True

        def commit() -> None:
            nonlocal is_open
            execute(f"RELEASE SAVEPOINT {_PART}")
            is_open = False

        execute(f"SAVEPOINT {_PART}")
        try:
            yield self.connection, commit
        finally:
            if is_open:
                execute(f"ROLLBACK TO SAVEPOINT {_PART}")
                execute(f"RELEASE SAVEPOINT {_PART}")

    @contextmanager
    def look(self) -> Iterator[Opened]:
        """See also what the batch did so far."""
        yield self.connection, _nothing


class Batches:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def open(self) -> Iterator[Batch]:
        """Commit at the end of the block; nothing of the batch lasts if that raises, or the block does.

        It keeps other writers out, so nothing in it may wait for anything outside the database.
        """
        with self._database.writing() as connection:
            yield Batch(connection)
            connection.commit()


def _nothing() -> None:
    """Who only looked has nothing that could last."""
