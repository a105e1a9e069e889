"""Which messages a service has handled."""

from sqlalchemy import Connection, select

from adapters.sql.database import Database
from adapters.sql.dialects import inserting
from adapters.sql.journal_tables import inbox
from domain.ids import EventId
from services.unit_of_work import Clock


class AlreadyHandled(Exception):
    """Somebody else handled the message in the meantime. What the unit did is undone; nothing is left to do."""

    def __init__(self, message_id: EventId) -> None:
        super().__init__(f"message {message_id} was handled before")
        self.message_id = message_id


class Inbox:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def handled(self, message_id: EventId) -> bool:
        with self._database.reading() as connection:
            found = connection.execute(select(inbox.c.message_id).where(inbox.c.message_id == message_id))
            return found.first() is not None

    def mark(self, message_id: EventId) -> None:
        """Say that the message is handled, for one whose handling recorded no event. Marking twice is marking once."""
        with self._database.writing() as connection:
            put_into_inbox(connection, message_id, self._clock)
            connection.commit()


def put_into_inbox(connection: Connection, message_id: EventId, clock: Clock) -> bool:
    """Return False if it was there already. A concurrent transaction with the same message is awaited."""
    row = {"message_id": message_id, "handled_at": clock()}
    statement = inserting(connection, inbox).on_conflict_do_nothing(index_elements=["message_id"])
    return connection.execute(statement.returning(inbox.c.message_id), row).first() is not None
