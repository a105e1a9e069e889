"""One transaction for what many messages cause, since its commit, synced to disk, costs more than what is in it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from sqlalchemy import Connection

from adapters.sql.database import Database
from adapters.sql.write_buffer import BufferedWriter, ImmediateWriter, JournalRows

_PART = "part"
"""One name is enough: no part is opened within another."""


class Opened(NamedTuple):
    """A connection, where rows of the journal go, and what makes lasting what is done until the block ends."""

    connection: Connection
    journal: JournalRows
    commit: Callable[[], None]


class Batch:
    """What its units journal is written at its end, and until then nobody sees it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.journal = BufferedWriter()

    @contextmanager
    def part(self) -> Iterator[Opened]:
        """Open a unit. Unless it was committed, into the batch, it alone is undone at the end of the block."""
        # By hand: SQLAlchemy's own savepoints cost as much as a statement each.
        execute, is_open, journal = self.connection.exec_driver_sql, True, BufferedWriter(self.journal)

        def commit() -> None:
            nonlocal is_open
            execute(f"RELEASE SAVEPOINT {_PART}")
            is_open = False
            self.journal.take(journal)

        execute(f"SAVEPOINT {_PART}")
        try:
            yield Opened(self.connection, journal, commit)
        finally:
            if is_open:
                execute(f"ROLLBACK TO SAVEPOINT {_PART}")
                execute(f"RELEASE SAVEPOINT {_PART}")

    @contextmanager
    def look(self) -> Iterator[Opened]:
        """See also what the batch did so far, the journal apart."""
        yield Opened(self.connection, self.journal, _nothing)


class Batches:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def open(self) -> Iterator[Batch]:
        """Commit at the end of the block; nothing of the batch lasts if that raises, or the block does.

        It keeps other writers out, so nothing in it may wait for anything outside the database.

        Raises:
            ConcurrentChange: another transaction was first with something of it.
        """
        with self._database.writing() as connection:
            batch = Batch(connection)
            yield batch
            batch.journal.write(connection)
            connection.commit()


@contextmanager
def alone(transaction: AbstractContextManager[Connection]) -> Iterator[Opened]:
    """A transaction that is one unit."""
    with transaction as connection:
        yield Opened(connection, ImmediateWriter(connection), connection.commit)


def _nothing() -> None:
    """Who only looked has nothing that could last."""
