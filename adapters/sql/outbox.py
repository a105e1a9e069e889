"""The events that wait to be published."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update

from adapters.sql.chunks import chunked
from adapters.sql.database import Database, wakes_relay
from adapters.sql.journal import OUTBOX_CHANNEL, recorded_event
from adapters.sql.journal_tables import event_log, waits_in_outbox
from adapters.sql.outbox_watch import PostgresWatch, SqliteWatch
from domain.events import RecordedEvent
from domain.ids import OrderId

_PUBLISHED = update(event_log).where(event_log.c.seq.in_(bindparam("seqs", expanding=True))).values(waits=False)
_UNPUBLISHED = select(event_log).where(waits_in_outbox).order_by(event_log.c.seq).limit(bindparam("at_most"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    seq: int
    recorded: RecordedEvent
    traceparent: str | None


class Outbox:
    """Of one database, for one relay; the methods that wait are not for two threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watch = PostgresWatch(database) if database.is_postgres else SqliteWatch(database)

    def unpublished(self, limit: int, without: Collection[int] = ()) -> Sequence[OutboxRow]:
        """The longest waiting first. Events of one order come in the order in which they were recorded.

        `without`: leave out those of the first `limit` that have these numbers.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_UNPUBLISHED, {"at_most": limit}).mappings().all()
        return [
            OutboxRow(
                seq=row["seq"], recorded=recorded_event(row, self._database.service), traceparent=row["traceparent"]
            )
            for row in rows
            if row["seq"] not in without
        ]

    def mark_published(self, seqs: Sequence[int]) -> None:
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

    def publish_again(self, order_ids: Iterable[OrderId]) -> int:
        """Put every event of these orders that was ever published back among the waiting ones; return how many.

        Which orders are unfinished is not for one database to know: the Payment service never hears how an order that
        it charged ended. So the caller says which.
        """
        again = 0
        for some in chunked(order_ids):
            with self._database.writing() as connection:
                statement = update(event_log).values(waits=True)
                statement = statement.where(event_log.c.order_id.in_(some), event_log.c.publish, ~event_log.c.waits)
                again += connection.execute(statement).rowcount
                if self._database.is_postgres:
                    connection.execute(select(func.pg_notify(OUTBOX_CHANNEL, "")))
                wakes_relay(connection)
                connection.commit()
        return again

    @property
    def recordings(self) -> int:
        """How often this process may have recorded something. It grows after the commit."""
        return self._database.recordings

    def wait_for_commit(self, timeout_s: float) -> bool:
        """Wait until something may have been recorded since the last call; return False if nothing was.

        The first call returns at once, so that nothing is missed between the last look and the wait.
        """
        return self._watch.wait(timeout_s)

    def relay_lock(self) -> AbstractContextManager[bool]:
        """Try to become the only relay of this database for the length of the block; False: another one is.

        The lock is gone with the process or the connection that holds it. A connection that is lost shows as a
        DatabaseAway of `wait_for_commit`.
        """
        return self._watch.lock()

    def close(self) -> None:
        self._watch.close()
