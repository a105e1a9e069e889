"""What can go wrong between a service and its own database. All of it may be better a moment later."""

import sqlite3

from sqlalchemy import exc
from sqlalchemy.engine import ExceptionContext

from domain.errors import Fault


class DatabaseFault(Fault):
    """The service's own database did not do what it was asked. Only a lost answer to a commit hides an effect."""


class DatabaseAway(DatabaseFault):
    """The database does not answer, or somebody else has kept it busy for longer than we wait."""


class ConcurrentChange(DatabaseFault):
    """Another transaction was first. The same unit again sees what it did."""


_PG_TRANSACTIONS_COLLIDE = frozenset({"23505", "40001", "40P01"})
"""PostgreSQL, appendix A: unique_violation, serialization_failure, deadlock_detected."""

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
    """Translate a driver's error for SQLAlchemy's `handle_error`; None leaves what is a defect of ours as it is."""
    if context.is_pre_ping:  # the pool asks whether a connection is still there, and takes another one if not
        return None
    error = context.original_exception
    if isinstance(error, sqlite3.Error):
        return _sqlite_fault(error)
    if getattr(error, "sqlstate", None) in _PG_TRANSACTIONS_COLLIDE:
        return ConcurrentChange(str(error))
    if context.is_disconnect or isinstance(context.sqlalchemy_exception, exc.OperationalError | exc.InterfaceError):
        return DatabaseAway(str(error))
    _quote_no_row(context)
    return None


def _quote_no_row(context: ExceptionContext) -> None:
    """PostgreSQL adds the row that it refuses, names and all, and the error goes to logs and dead letters."""
    error, wrapper = context.original_exception, context.sqlalchemy_exception
    reason = getattr(getattr(error, "diag", None), "message_primary", None)
    if reason is None or wrapper is None:
        return
    wrapper.args = (str(wrapper.args[0]).replace(str(error), reason),)
    error.args = (reason,)


def _sqlite_fault(error: sqlite3.Error) -> DatabaseFault | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code in _SQLITE_COLLIDE:
        return ConcurrentChange(str(error))
    return DatabaseAway(str(error)) if code & _PRIMARY_CODE in _SQLITE_AWAY else None
