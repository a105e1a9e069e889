"""The faults between a service and its own database. A retry may help with each of them."""

import sqlite3

from sqlalchemy import exc
from sqlalchemy.engine import ExceptionContext

from messaging.errors import Fault


class DatabaseFault(Fault):
    """A statement failed and had no effect. The exception is a commit whose answer was lost: it may have succeeded."""


class DatabaseAway(DatabaseFault):
    """The database does not answer, or another transaction has blocked it for longer than the timeout."""


class ConcurrentChange(DatabaseFault):
    """A concurrent transaction came first. A retry of the unit sees its changes."""


class RowTooLarge(ValueError):
    """The row exceeds a limit of the database, for example that of an index. A retry never helps."""


DATABASE_AWAY = (DatabaseFault, exc.OperationalError, exc.ProgrammingError, exc.InternalError)
"""Database-wide faults. No message caused them, so they are retried in place, and none is parked or dead-lettered.

ProgrammingError is among them because a table is missing while an operator migrates or restores.
"""

_PG_TRANSACTIONS_COLLIDE = frozenset({"23505", "40001", "40P01"})
"""PostgreSQL, appendix A: unique_violation, serialization_failure, deadlock_detected."""

_PG_TOO_LARGE = "54"
"""The class of program_limit_exceeded, which the driver counts among the operational errors."""

_SQLITE_COLLIDE = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
    }
)
_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""


def fault_of(context: ExceptionContext) -> BaseException | None:
    """Translate a driver's error, for SQLAlchemy's `handle_error`. None keeps the error: it is a defect of ours."""
    if context.is_pre_ping:  # the pool tests a connection, and replaces a dead one
        return None
    error = context.original_exception
    if isinstance(error, sqlite3.Error):
        # A connection that was opened while the file was read-only stays so: the pool must not keep it.
        context.is_disconnect = context.is_disconnect or _primary_code(error) == sqlite3.SQLITE_READONLY
        return _sqlite_fault(error)
    # By SQLSTATE: message texts are translated and change between versions.
    state = getattr(error, "sqlstate", None) or ""
    if state in _PG_TRANSACTIONS_COLLIDE:
        return ConcurrentChange(str(error))
    if state.startswith(_PG_TOO_LARGE):
        return RowTooLarge(state)
    if context.is_disconnect or isinstance(context.sqlalchemy_exception, exc.OperationalError | exc.InterfaceError):
        return DatabaseAway(str(error))
    _quote_no_row(context)
    return None


def _quote_no_row(context: ExceptionContext) -> None:
    # PostgreSQL quotes the row that it refuses, with personal data, and the error goes to logs and dead letters.
    error, wrapper = context.original_exception, context.sqlalchemy_exception
    reason = getattr(getattr(error, "diag", None), "message_primary", None)
    if reason is None or wrapper is None:
        return
    wrapper.args = (str(wrapper.args[0]).replace(str(error), reason),)
    error.args = (reason,)


def _sqlite_fault(error: sqlite3.Error) -> DatabaseFault | None:
    if getattr(error, "sqlite_errorcode", None) in _SQLITE_COLLIDE:
        return ConcurrentChange(str(error))
    return DatabaseAway(str(error)) if _primary_code(error) in _SQLITE_AWAY else None


def _primary_code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY_CODE
