"""The inbox: which messages a service has handled."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Executable, bindparam, exists, literal_column, select, union_all

from adapters.sql.batch import Batch
from adapters.sql.database import Database
from adapters.sql.dialects import inserting
from adapters.sql.journal_tables import inbox, parked
from adapters.sql.write_buffer import ImmediateWriter, JournalRows
from domain.ids import EventId
from services.unit_of_work import Clock

_STATUS = select(
    exists().where(inbox.c.message_id == bindparam("message_id")).label("handled"),
    exists().where(parked.c.key == bindparam("key")).label("key_is_parked"),
)
_STATUSES = union_all(
    select(inbox.c.message_id, literal_column("0").label("is_key")).where(
        inbox.c.message_id.in_(bindparam("message_ids", expanding=True))
    ),
    select(parked.c.key, literal_column("1")).where(parked.c.key.in_(bindparam("keys", expanding=True))),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxStatus:
    """`key_is_parked`: an earlier message of the same key waits for its next attempt."""

    handled: bool
    key_is_parked: bool


class AlreadyHandled(Exception):
    """The message was handled before. The unit is rolled back, and nothing is left to do."""


class KeyIsParked(Exception):
    """An earlier message of the key waits for its next attempt, so this one must wait too. The unit has not started."""


class Inbox:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def handled(self, message_id: EventId) -> bool:
        with self._database.reading() as connection:
            found = connection.execute(select(inbox.c.message_id).where(inbox.c.message_id == message_id))
            return found.first() is not None

    def statuses(self, messages: Sequence[tuple[EventId, str]]) -> Sequence[InboxStatus]:
        """Return the status of each message (id and key), with one query for all. For a few dozen messages."""
        wanted = {"message_ids": [id_ for id_, _ in messages], "keys": [key for _, key in messages]}
        with self._database.reading() as connection:
            found = {(name, bool(is_key)) for name, is_key in connection.execute(_STATUSES, wanted)}
        return [InboxStatus(handled=(id_, False) in found, key_is_parked=(key, True) in found) for id_, key in messages]

    def mark(self, message_id: EventId, within: Batch | None = None) -> None:
        """Mark a message as handled whose handling recorded no event. Repeatable."""
        if within is not None:
            put_into_inbox(within.connection.dialect.name, within.journal, message_id, self._clock)
            return
        with self._database.writing() as connection:
            put_into_inbox(connection.dialect.name, ImmediateWriter(connection), message_id, self._clock)
            connection.commit()


def status_of(connection: Connection, message_id: EventId, key: str) -> InboxStatus:
    found = connection.execute(_STATUS, {"message_id": message_id, "key": key}).one()
    return InboxStatus(handled=bool(found.handled), key_is_parked=bool(found.key_is_parked))


def put_into_inbox(dialect: str, journal: JournalRows, message_id: EventId, clock: Clock) -> bool:
    """Return False if the message is in the inbox. Waits for a concurrent transaction that handles the same message."""
    row = {"message_id": message_id, "handled_at": clock()}
    return journal.add_once(_putting(dialect), row, key=message_id)


@cache
def _putting(dialect: str) -> Executable:
    statement = inserting(dialect, inbox).on_conflict_do_nothing(index_elements=["message_id"])
    return statement.execution_options(preserve_rowcount=True)  # SQLAlchemy drops the row count of an INSERT by default
