"""The outbox: the events of the log that the relay has not published yet."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update

from messaging.events import WrittenEvent
from messaging.sql.chunks import chunked
from messaging.sql.database import Database, wakes_relay
from messaging.sql.journal import OUTBOX_CHANNEL, written_event
from messaging.sql.journal_tables import event_log, waits_in_outbox
from messaging.sql.outbox_watch import PostgresWatch, SqliteWatch

_PUBLISHED = update(event_log).where(event_log.c.seq.in_(bindparam("seqs", expanding=True))).values(waits=False)
_UNPUBLISHED = select(event_log).where(waits_in_outbox).order_by(event_log.c.seq).limit(bindparam("at_most"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    seq: int
    event: WrittenEvent
    traceparent: str | None


class Outbox:
    """The outbox of one database. Only one thread may wait on it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watch = PostgresWatch(database) if database.is_postgres else SqliteWatch(database)

    def unpublished(self, limit: int, without: Collection[int] = ()) -> Sequence[OutboxRow]:
        """Return the first `limit` events in the order of their recording, except for the numbers in `without`."""
        with self._database.reading() as connection:
            rows = connection.execute(_UNPUBLISHED, {"at_most": limit}).mappings().all()
        return [
            OutboxRow(seq=row["seq"], event=written_event(row, self._database.service), traceparent=row["traceparent"])
            for row in rows
            if row["seq"] not in without
        ]

    def mark_published(self, seqs: Sequence[int]) -> None:
        # Only after the broker's ack: a crash in between publishes an event twice, and the inboxes drop the duplicate.
        with self._database.writing() as connection:
            for some in chunked(seqs):
                connection.execute(_PUBLISHED, {"seqs": some})
            connection.commit()

    def waiting(self) -> int:
        with self._database.reading() as connection:
            found: int = connection.execute(select(func.count()).where(waits_in_outbox)).scalar_one()
            return found

    def oldest_waiting_at(self) -> datetime | None:
        oldest = select(event_log.c.at).where(waits_in_outbox).order_by(event_log.c.seq).limit(1)
        with self._database.reading() as connection:
            return connection.execute(oldest).scalar()

    def publish_again(self, keys: Iterable[str]) -> int:
        """Put all published events of these keys back into the outbox. Return how many."""
        again = 0
        for some in chunked(keys):
            with self._database.writing() as connection:
                statement = update(event_log).values(waits=True)
                statement = statement.where(event_log.c.key.in_(some), event_log.c.publish, ~event_log.c.waits)
                again += connection.execute(statement).rowcount
                if self._database.is_postgres:
                    connection.execute(select(func.pg_notify(OUTBOX_CHANNEL, "")))
                wakes_relay(connection)
                connection.commit()
        return again

    @property
    def recordings(self) -> int:
        """How many transactions of this process may have recorded events. It grows after the commit."""
        return self._database.recordings

    def wait_for_commit(self, timeout_s: float) -> bool:
        """Wait until a commit may have recorded an event since the last call. Return False after the timeout.

        The first call returns True at once: it starts to listen, and earlier commits had no listener.
        """
        return self._watch.wait(timeout_s)

    def relay_lock(self) -> AbstractContextManager[bool]:
        """Try to become the active relay of this database for the block. False: another relay is active.

        The lock ends with the process or connection that holds it. If the connection is lost, `wait_for_commit` raises
        DatabaseAway.
        """
        return self._watch.lock()

    def close(self) -> None:
        self._watch.close()
