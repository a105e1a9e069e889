"""Deletes old journal rows, a few at a time, so that no lock is held for long."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from messaging.sql.chunks import CHUNK, chunked
from messaging.sql.database import Database
from messaging.sql.journal_tables import event_log, inbox, steps

_OLD_MESSAGES = (
    select(inbox.c.message_id)
    .where(inbox.c.handled_at < bindparam("before"))
    .order_by(inbox.c.handled_at)
    .limit(bindparam("at_most"))
)
_EVENTS_AFTER = (
    select(event_log.c.seq, event_log.c.key, event_log.c.at, event_log.c.waits)
    .where(event_log.c.seq > bindparam("after"))
    .order_by(event_log.c.seq)
    .limit(bindparam("at_most"))
)


class Retention:
    """Works on one service's journal. The service's own tables and the parked messages are kept."""

    def __init__(self, database: Database, before: datetime) -> None:
        self._database = database
        self._before = before

    def forget_messages(self) -> int:
        """Delete handled messages. Return how many."""
        # They must be older than the retention of the topics: a forgotten message that comes again is handled twice.
        forgotten = 0
        while True:
            with self._database.writing() as connection:
                values = {"before": self._before, "at_most": CHUNK}
                old = connection.execute(_OLD_MESSAGES, values).scalars().all()
                connection.execute(delete(inbox).where(inbox.c.message_id.in_(old)))
                connection.commit()
            forgotten += len(old)
            if len(old) < CHUNK:
                return forgotten

    def forget_events(self, of_unfinished: Collection[str]) -> int:
        """Delete the published events and the steps of all keys except `of_unfinished`. Return how many events."""
        # The numbers grow with time, so the scan ends at the first event that is not old.
        forgotten, after = 0, -1
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(_EVENTS_AFTER, {"after": after, "at_most": CHUNK}).all()
            old = [row for row in rows if row.at < self._before and not row.waits]
            finished = [row for row in old if row.key not in of_unfinished]
            self._forget([row.seq for row in finished], {row.key for row in finished})
            forgotten += len(finished)
            if len(rows) < CHUNK or rows[-1].at >= self._before:
                return forgotten
            after = rows[-1].seq

    def _forget(self, seqs: list[int], keys: set[str]) -> None:
        if not seqs:
            return
        with self._database.writing() as connection:
            connection.execute(delete(event_log).where(event_log.c.seq.in_(seqs)))
            for some in chunked(keys):
                # Only old steps: a key can have newer attempts than its old events show.
                connection.execute(delete(steps).where(steps.c.key.in_(some), steps.c.at < self._before))
            connection.commit()
