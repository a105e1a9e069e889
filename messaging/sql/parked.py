"""Parked messages: they wait for their next attempt in the database, while messages of other keys are handled."""

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, bindparam, delete, exists, func, or_, select, tuple_, update

from messaging.sql.database import Database
from messaging.sql.dialects import inserting
from messaging.sql.inbox import MessageId
from messaging.sql.journal_tables import parked


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedMessage:
    """A message as it was read from its topic. `timestamp_ms` is the broker's, in milliseconds since 1970."""

    message_id: MessageId
    key: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    headers: Sequence[tuple[str, bytes]]
    value: bytes
    attempts: int
    next_attempt_at: datetime
    last_error: str


# Only the first parked message of a key is due: a later one before it would break the order within the key.
_earlier = parked.alias("earlier")
_FIRST_OF_ITS_KEY = ~exists().where(_earlier.c.key == parked.c.key, _earlier.c.seq < parked.c.seq)
_PARTITION = tuple_(parked.c.topic, parked.c.partition)
_IS_DUE = or_(parked.c.next_attempt_at <= bindparam("now"), parked.c.next_attempt_at > bindparam("latest"))
_DUE = (
    select(*(parked.c[field.name] for field in fields(ParkedMessage)))
    .where(_IS_DUE, _FIRST_OF_ITS_KEY)
    .order_by(parked.c.seq)
    .limit(bindparam("at_most"))
)
_COUNT = select(func.count()).select_from(parked)


class ParkedMessages:
    def __init__(self, database: Database) -> None:
        self._database = database

    def park(self, message: ParkedMessage) -> None:
        """Park the message. Repeatable: a message that is parked already keeps its attempts and its next attempt."""
        headers = json.dumps([(name, b64encode(value).decode()) for name, value in message.headers])
        statement = inserting(self._database.url.get_backend_name(), parked)
        self._database.change(
            statement.on_conflict_do_nothing(index_elements=["message_id"]), asdict(message) | {"headers": headers}
        )

    def due(
        self,
        now: datetime,
        limit: int,
        partitions: Collection[tuple[str, int]] | None = None,
        *,
        longest: timedelta = timedelta(days=1),
    ) -> Sequence[ParkedMessage]:
        """Return the messages whose next attempt is due, in the order of their arrival; of each key only the first.

        `partitions` (topic, number): only messages of these, so that each member of the group retries its own.
        `longest`: no message waits longer. One that seems to was parked before the clock was set back, and is due.
        """
        due = _DUE if partitions is None else _DUE.where(_PARTITION.in_(list(partitions)))
        with self._database.reading() as connection:
            values = {"now": now, "latest": now + longest, "at_most": limit}
            rows = connection.execute(due, values).mappings().all()
        return [_message(row) for row in rows]

    def reschedule(self, message_id: MessageId, attempts: int, next_attempt_at: datetime, error: str) -> None:
        changes = {"attempts": attempts, "next_attempt_at": next_attempt_at, "last_error": error}
        self._database.change(update(parked).where(parked.c.message_id == message_id).values(changes))

    def remove(self, message_id: MessageId) -> None:
        self._database.change(delete(parked).where(parked.c.message_id == message_id))

    def count(self) -> int:
        with self._database.reading() as connection:
            found: int = connection.execute(_COUNT).scalar_one()
            return found


def _message(row: RowMapping) -> ParkedMessage:
    headers = tuple((name, b64decode(value)) for name, value in json.loads(row["headers"]))
    return ParkedMessage(**{**row, "headers": headers})
