"""One service's database, on SQLite (embedded) or PostgreSQL."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, cast

from sqlalchemy import URL, Connection, Engine, UpdateBase, create_engine, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from messaging.sql.commit_notifier import CommitNotifier, notifier_path
from messaging.sql.faults import DatabaseAway, fault_of

WAIT_S: Final = 5.0
"""Longest wait for a pooled connection, a row lock or another writer."""

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
_WAL_RETRY_S: Final = 0.01

_WRITES: Final = "twinsaga_writes"
_WAKES_RELAY: Final = "twinsaga_wakes_relay"

_ENGINE_OPTIONS: Final[Mapping[str, Any]] = {
    "pool_size": 5,
    "max_overflow": 20,
    "pool_timeout": WAIT_S,
    "pool_use_lifo": True,  # the last used connection has the statements, and on SQLite the pages, in its cache
    "hide_parameters": True,  # errors go to logs and dead letters, which must not contain names or tokens
}

_SQLITE_PRAGMAS: Final = ("synchronous=FULL", f"busy_timeout={WAIT_S * 1000:.0f}", "foreign_keys=ON")

# idle_in_transaction: a unit that hangs must not hold its row locks forever. Keepalives: if the machine of a relay is
# gone, its advisory lock is free after about 20 s.
_POSTGRES_OPTIONS: Final = " ".join(
    f"-c {option}"
    for option in (
        f"lock_timeout={WAIT_S * 1000:.0f}",
        "statement_timeout=30s",
        "idle_in_transaction_session_timeout=30s",
        "timezone=UTC",
        "tcp_keepalives_idle=10",
        "tcp_keepalives_interval=3",
        "tcp_keepalives_count=3",
    )
)


class Database:
    """Opens connections, the first one at first use."""

    def __init__(self, engine: Engine, service: str) -> None:
        self.service = service
        self.recordings = 0
        """How many transactions of this process may have committed events for the outbox."""
        self._engine = engine
        self._writer = engine.execution_options(**{_WRITES: True})
        self._reader = engine
        self._one_writer = threading.Lock() if engine.dialect.name == "sqlite" else None
        self._notifier = CommitNotifier(notifier_path(self.file)) if engine.dialect.name == "sqlite" else None
        if engine.dialect.name == "postgresql":
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @classmethod
    def open(cls, url: str, *, service: str) -> Self:
        """`url` is SQLAlchemy's: `sqlite:////absolute/path.db`, or `postgresql://user@host/name`."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return cls(_sqlite(parsed), service)
        return cls(_postgres(parsed.set(drivername="postgresql+psycopg")), service)

    @property
    def url(self) -> URL:
        return self._engine.url

    @property
    def is_postgres(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    @property
    def file(self) -> Path:
        """Only of a SQLite database."""
        return Path(str(self.url.database))

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that may write; without a commit it is undone. Each statement may raise DatabaseFault."""
        # SQLite allows one writer. Waiting threads wake at once from this lock; SQLite's busy handler would sleep.
        if self._one_writer is not None and not self._one_writer.acquire(timeout=WAIT_S):
            raise DatabaseAway(f"{self.service}: another thread has been writing for {WAIT_S} s")
        try:
            with self._connect(self._writer) as connection:
                try:
                    yield connection
                finally:
                    self._wake_relay(connection)
        finally:
            if self._one_writer is not None:
                self._one_writer.release()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads one snapshot. It blocks no writer, and no writer blocks it."""
        with self._connect(self._reader) as connection:
            yield connection

    def change(self, statement: UpdateBase, values: Mapping[str, Any] | None = None) -> int:
        """Execute one statement in a transaction of its own; return the number of rows. Raises DatabaseFault."""
        with self.writing() as connection:
            changed = connection.execute(statement, values).rowcount
            connection.commit()
        return changed

    def own_connection(self) -> DBAPIConnection:
        """Open a connection of the driver outside the pool, for a long time. The caller closes it."""
        pooled = self._engine.raw_connection()
        pooled.detach()
        return cast("DBAPIConnection", pooled.dbapi_connection)

    def close(self) -> None:
        self._engine.dispose()
        if self._notifier is not None:
            self._notifier.close()

    def _wake_relay(self, connection: Connection) -> None:
        # Also after a rollback: an unneeded wake-up is cheap, a missed one delays the events until the next poll.
        if connection.invalidated or not connection.info.pop(_WAKES_RELAY, False):
            return
        self.recordings += 1
        if self._notifier is not None:
            self._notifier.notify()

    def _connect(self, engine: Engine) -> Connection:
        try:
            return engine.connect()
        except exc.TimeoutError as full:
            raise DatabaseAway(f"{self.service}: no free connection within {WAIT_S} s") from full


def writes(connection: Connection) -> bool:
    """Return whether the connection was opened for writing, so that the rows it finds must be locked."""
    return bool(connection.get_execution_options().get(_WRITES, False))


def wakes_relay(connection: Connection) -> None:
    """Mark that the transaction writes events for the outbox, so that its end wakes the relay.

    That is for SQLite. On PostgreSQL a NOTIFY in the statement itself wakes the relay.
    """
    connection.info[_WAKES_RELAY] = True


def make_private(file: Path) -> None:
    """Create a missing SQLite database, and its folder. Let only our user read it and the files beside it."""
    file.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))
    # SQLite gives new files beside it the mode of the database.
    for each in (file, *(file.with_name(f"{file.name}{ending}") for ending in ("-wal", "-shm"))):
        with suppress(FileNotFoundError):
            each.chmod(FILE_MODE)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url, **_ENGINE_OPTIONS, connect_args={"timeout": WAIT_S, "isolation_level": None, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "handle_error", fault_of, retval=True)
    return engine


def _postgres(url: URL) -> Engine:
    engine = create_engine(
        url,
        **_ENGINE_OPTIONS,
        pool_recycle=1800,
        pool_pre_ping=True,  # after a server restart each pooled connection is dead, and would cost one caller a fault
        connect_args={"connect_timeout": int(WAIT_S), "options": _POSTGRES_OPTIONS},
    )
    event.listen(engine, "handle_error", fault_of, retval=True)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    # Checked first: the change needs an exclusive lock, and only a new file needs the change.
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _turn_wal_on(connection)


def _turn_wal_on(connection: sqlite3.Connection) -> None:
    # SQLite already holds a read lock when it asks for the write lock, so it refuses to wait (a deadlock would be
    # possible) and skips the busy timeout. Without this loop, one of several processes that open a new file at the same
    # time fails with "database is locked".
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_RETRY_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: otherwise a unit that reads first and writes later fails if another writer commits in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes(connection) else "BEGIN")
