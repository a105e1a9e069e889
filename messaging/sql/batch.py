"""One transaction for the effects of many messages: the commit, synced to disk, costs more than everything in it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from sqlalchemy import Connection

from messaging.sql.database import Database
from messaging.sql.write_buffer import BufferedWriter, ImmediateWriter, JournalRows

_SAVEPOINT = "unit"
"""One name is enough: savepoints are never nested."""


class OpenTransaction(NamedTuple):
    """`commit` makes the unit's changes permanent, or, within a batch, part of the batch."""

    connection: Connection
    journal: JournalRows
    commit: Callable[[], None]


class Batch:
    """The journal rows of its units are written at its end. Until then no reader sees them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.journal = BufferedWriter()

    @contextmanager
    def savepoint(self) -> Iterator[OpenTransaction]:
        """Open a unit that may write. Without a commit, the end of the block undoes this unit alone."""
        # Plain SQL: SQLAlchemy's begin_nested() costs as much as a statement of its own, for each message.
        execute, is_open, journal = self.connection.exec_driver_sql, True, BufferedWriter(self.journal)

        def commit() -> None:
            nonlocal is_open
            execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
            is_open = False
            self.journal.take(journal)

        execute(f"SAVEPOINT {_SAVEPOINT}")
        try:
            yield OpenTransaction(self.connection, journal, commit)
        finally:
            if is_open:
                # ROLLBACK TO keeps the savepoint open, so it is released as well.
                execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
                execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")

    @contextmanager
    def look(self) -> Iterator[OpenTransaction]:
        """Open a unit that only reads. It sees what the batch has changed so far, except for journal rows."""
        yield OpenTransaction(self.connection, self.journal, commit=lambda: None)


class Batches:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def open(self) -> Iterator[Batch]:
        """Commit at the end of the block. An error, in the block or in the commit, undoes the whole batch.

        The batch blocks other writers, so the block must not wait for anything but this database.
        Raises ConcurrentChange: another transaction has written one of its rows first.
        """
        with self._database.writing() as connection:
            batch = Batch(connection)
            yield batch
            batch.journal.write(connection)
            connection.commit()


@contextmanager
def single_unit(transaction: AbstractContextManager[Connection]) -> Iterator[OpenTransaction]:
    """Open a transaction for one unit."""
    with transaction as connection:
        yield OpenTransaction(connection, ImmediateWriter(connection), connection.commit)
