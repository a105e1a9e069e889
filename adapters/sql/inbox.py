"""Which messages a service has handled."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, select

from adapters.sql.database import Database
from adapters.sql.dialects import inserting
from adapters.sql.journal_tables import inbox, parked
from domain.ids import EventId
from services.unit_of_work import Clock

_STANDING = select(
    exists().where(inbox.c.message_id == bindparam("message_id")).label("handled"),
    exists().where(parked.c.key == bindparam("key")).label("key_is_parked"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a message that comes. `key_is_parked`: an earlier one of its key waits for its next attempt."""

    handled: bool
    key_is_parked: bool


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

    def standing(self, message_id: EventId, key: str) -> Standing:
        """Ask all that has to be known of a message before it is handled, in one look."""
        with self._database.reading() as connection:
            found = connection.execute(_STANDING, {"message_id": message_id, "key": key}).one()
            return Standing(handled=bool(found.handled), key_is_parked=bool(found.key_is_parked))

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
