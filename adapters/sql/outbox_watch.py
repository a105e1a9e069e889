"""How a relay learns of a commit, and how it is the only one."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy.engine.interfaces import DBAPIConnection

from adapters.sql.database import Database
from adapters.sql.faults import DatabaseAway
from adapters.sql.journal import OUTBOX_CHANNEL

if TYPE_CHECKING:  # at run time only whoever uses PostgreSQL loads its driver
    import psycopg

_LOOK_EVERY_S: Final = 0.005
_LOOK_SELDOM_S: Final = 0.025
_BUSY_S: Final = 1.0
"""For so long after something was published the next commit is looked for often."""

_ADVISORY_LOCK: Final = 0x7477696E73616761
"""Any number that everybody who wants this lock takes. This one spells `twinsaga`."""


class SqliteWatch:
    """`PRAGMA data_version` changes on a connection when any other one has committed; asking costs microseconds.

    What this process commits wakes it at once; for others it looks every few milliseconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: DBAPIConnection | None = None
        self._seen: int | None = None
        self._busy_until = 0.0

    def wait(self, timeout_s: float) -> bool:
        written, end = self._database.written, time.monotonic() + timeout_s
        while True:
            written.clear()
            version = self._version()
            if version != self._seen:
                self._seen = version
                return True
            now = time.monotonic()
            if now >= end:
                return False
            written.wait(min(_LOOK_EVERY_S if now < self._busy_until else _LOOK_SELDOM_S, end - now))

    def look_often(self) -> None:
        """Commits that publish nothing, as those of orchestrated orders, are not worth it."""
        self._busy_until = time.monotonic() + _BUSY_S

    @contextmanager
    def lock(self) -> Iterator[bool]:
        file = self._database.file
        # Never deleted: a lock on a file that somebody else deleted and made anew would be held twice.
        with file.with_name(f"{file.name}.relay-lock").open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _version(self) -> int:
        if self._connection is None:
            self._connection = self._database.own_connection()
            self._seen = None
        cursor = self._connection.cursor()
        try:
            cursor.execute("PRAGMA data_version")
            (version,) = cursor.fetchone() or (0,)
        finally:
            cursor.close()
        return int(version)


class PostgresWatch:
    """One connection, outside the pool, both listens and holds the lock: when it is lost, the relay is told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: psycopg.Connection | None = None
        self._listens = False

    def wait(self, timeout_s: float) -> bool:
        with self._or_away() as connection:
            if not self._listens:
                connection.execute(f"LISTEN {OUTBOX_CHANNEL}")
                self._listens = True
                return True  # whatever was committed before this moment has made no sound
            return any(True for _ in connection.notifies(timeout=timeout_s, stop_after=1))

    def look_often(self) -> None:
        """A commit that publishes something wakes it at once, always."""

    @contextmanager
    def lock(self) -> Iterator[bool]:
        with self._or_away() as connection:
            (held,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (_ADVISORY_LOCK,)).fetchone() or (False,)
        try:
            yield bool(held)
        finally:
            if held and self._connection is not None:
                # The server notices a closed connection a moment later; a standby should not have to wait for that.
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
        from psycopg import OperationalError  # noqa: PLC0415 - see above

        try:
            if self._connection is None:
                self._connection = cast("psycopg.Connection", self._database.own_connection())
                self._connection.autocommit = True
            yield self._connection
        except OperationalError as lost:
            self.close()
            raise DatabaseAway(f"{self._database.service}: the relay's connection is lost") from lost
