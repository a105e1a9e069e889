"""Wakes a relay after a commit, and lets only one relay of a database be active."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from messaging.sql.commit_notifier import CommitListener, notifier_path
from messaging.sql.database import Database
from messaging.sql.faults import DatabaseAway
from messaging.sql.journal import OUTBOX_CHANNEL

if TYPE_CHECKING:  # on SQLite the driver of PostgreSQL is never loaded
    import psycopg

_ADVISORY_LOCK: Final = 0x7477696E73616761
"""An arbitrary number that all relays share: the bytes of `twinsaga`."""


class SqliteWatch:
    """Wakes by the FIFO beside the database file, and locks a file beside it."""

    def __init__(self, database: Database) -> None:
        self._file = database.file
        self._listener: CommitListener | None = None

    def wait(self, timeout_s: float) -> bool:
        if self._listener is None:
            self._listener = CommitListener(notifier_path(self._file))
            return True  # a commit before this moment had no listener
        return self._listener.wait(timeout_s)

    @contextmanager
    def lock(self) -> Iterator[bool]:
        # Never delete the file: two relays could lock the deleted file and its successor at the same time.
        try:
            held = self._file.with_name(f"{self._file.name}.relay-lock").open("ab")
        except OSError as away:  # the folder is gone, or read-only
            raise DatabaseAway(str(away)) from away
        with held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            try:
                yield True
            finally:
                self.close()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class PostgresWatch:
    """One connection outside the pool both listens and holds the lock: a relay that loses it notices."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: psycopg.Connection | None = None
        self._listens = False

    def wait(self, timeout_s: float) -> bool:
        with self._or_away() as connection:
            if not self._listens:
                connection.execute(f"LISTEN {OUTBOX_CHANNEL}")
                self._listens = True
                return True  # a commit before this moment had no listener
            return any(True for _ in connection.notifies(timeout=timeout_s, stop_after=1))

    @contextmanager
    def lock(self) -> Iterator[bool]:
        with self._or_away() as connection:
            (held,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (_ADVISORY_LOCK,)).fetchone() or (False,)
        try:
            yield bool(held)
        finally:
            if held and self._connection is not None:
                # The server notices a closed connection only later: unlock, so that a standby takes over at once.
                with self._or_away() as connection:
                    connection.execute("SELECT pg_advisory_unlock(%s)", (_ADVISORY_LOCK,))
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._listens = False

    @contextmanager
    def _or_away(self) -> "Iterator[psycopg.Connection]":
        from psycopg import OperationalError  # noqa: PLC0415 - see the import above

        try:
            if self._connection is None:
                self._connection = cast("psycopg.Connection", self._database.own_connection())
                self._connection.autocommit = True
            yield self._connection
        except OperationalError as lost:
            self.close()
            raise DatabaseAway(f"{self._database.service}: the relay's connection is lost") from lost
