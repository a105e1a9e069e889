"""The inbox: which messages a service has handled.

CloudEvents identifies an event by its source and its id. Rows of earlier versions contain the id alone, and count for
every source, so that nothing is handled again after an update.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import NewType

from sqlalchemy import Connection, Executable, bindparam, exists, literal_column, or_, select, union_all

from messaging.ids import EventId
from messaging.sql.batch import Batch
from messaging.sql.database import Database
from messaging.sql.dialects import inserting
from messaging.sql.journal_tables import inbox, parked
from messaging.sql.traces import trace_of
from messaging.sql.write_buffer import ImmediateWriter, JournalRows
from messaging.unit_of_work import Clock

MessageId = NewType("MessageId", str)
"""Source and id of an event, separated by a space, or the place of a dead letter."""

_STATUS = select(
    # Not `in_`: SQLAlchemy expands its list at each execution.
    exists()
    .where(or_(inbox.c.message_id == bindparam("message_id"), inbox.c.message_id == bindparam("event_id")))
    .label("handled"),
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


def message_id_of(source: str, event_id: EventId) -> MessageId:
    """`source` contains no space."""
    return MessageId(f"{source} {event_id}")


def event_id_in(message_id: MessageId) -> EventId:
    """Return the id without the source. An id of an earlier version, or a place, has none."""
    return EventId(message_id.partition(" ")[2] or message_id)


class AlreadyHandled(Exception):
    """The message was handled before. The unit is rolled back, and nothing is left to do."""


class KeyIsParked(Exception):
    """An earlier message of the key waits for its next attempt, so this one must wait too. The unit has not started."""


class Inbox:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def handled(self, message_id: MessageId) -> bool:
        with self._database.reading() as connection:
            return status_of(connection, message_id, "").handled

    def statuses(self, messages: Sequence[tuple[MessageId, str]]) -> Sequence[InboxStatus]:
        """Return the status of each message (id and key), with one query for all. For a few dozen messages."""
        ids = [(id_, event_id_in(id_)) for id_, _ in messages]
        wanted = {"message_ids": list(chain.from_iterable(ids)), "keys": [key for _, key in messages]}
        with self._database.reading() as connection:
            found = {(name, bool(is_key)) for name, is_key in connection.execute(_STATUSES, wanted)}
        return [
            InboxStatus(handled=any((id_, False) in found for id_ in either), key_is_parked=(key, True) in found)
            for either, (_, key) in zip(ids, messages, strict=True)
        ]

    def trace_of(self, key: str) -> str | None:
        """Return the traceparent of the first event of the key in the same database; None while traces are off."""
        return trace_of(self._database, key)

    def mark(self, message_id: MessageId, within: Batch | None = None) -> None:
        """Mark a message as handled whose handling recorded no event. Repeatable."""
        if within is not None:
            put_into_inbox(within.connection.dialect.name, within.journal, message_id, self._clock)
            return
        with self._database.writing() as connection:
            put_into_inbox(connection.dialect.name, ImmediateWriter(connection), message_id, self._clock)
            connection.commit()


def status_of(connection: Connection, message_id: MessageId, key: str) -> InboxStatus:
    wanted = {"message_id": message_id, "event_id": event_id_in(message_id), "key": key}
    found = connection.execute(_STATUS, wanted).one()
    return InboxStatus(handled=bool(found.handled), key_is_parked=bool(found.key_is_parked))


def put_into_inbox(dialect: str, journal: JournalRows, message_id: MessageId, clock: Clock) -> bool:
    """Return False if the message is in the inbox. Waits for a concurrent transaction that handles the same message."""
    row = {"message_id": message_id, "handled_at": clock()}
    return journal.add_once(_putting(dialect), row, key=message_id)


@cache
def _putting(dialect: str) -> Executable:
    statement = inserting(dialect, inbox).on_conflict_do_nothing(index_elements=["message_id"])
    return statement.execution_options(preserve_rowcount=True)  # SQLAlchemy drops the row count of an INSERT by default
