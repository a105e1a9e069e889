"""What no single message is to blame for: every other one would meet it too, so none is parked or buried for it."""

from sqlalchemy import exc

from adapters.sql.faults import DatabaseFault

# Beside what the database layer translates: a table that is missing, because somebody migrates or restores right now.
DATABASE_AWAY = (DatabaseFault, exc.OperationalError, exc.ProgrammingError, exc.InternalError)
