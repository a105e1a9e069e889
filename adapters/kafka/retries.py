"""The faults that are retried in place."""

from sqlalchemy import exc

from adapters.sql.faults import DatabaseFault

DATABASE_AWAY = (DatabaseFault, exc.OperationalError, exc.ProgrammingError, exc.InternalError)
"""Database-wide faults. No message caused them, so none is parked or dead-lettered.

ProgrammingError is among them because a table is missing while an operator migrates or restores.
"""
