"""The estate's database. A record and the task that it needs are written in one transaction."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from adapters.sql.tables import task_outbox, users, videos
from messaging.sql.database import Database
from messaging.sql.dialects import inserting
from messaging.unit_of_work import Clock
from services.estate.records import OPEN, QueuedTask, User, Video, VideoEngine, VideoStatus

SENT_BY_WRITER = timedelta(seconds=3)
"""The sweep leaves a new task this long to the process that wrote it, which sends it right after the commit."""
KEPT = timedelta(days=7)
"""How long the row of a finished task is kept. Until then, the same occasion does not create the task again."""


class Estate:
    """Every method is one transaction. Raises DatabaseFault."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def register(self, user: User, task: QueuedTask) -> User:
        """Store the user and the task. Return the user that has the id: this one, or one stored earlier."""
        return User(**self._insert(users, "user_id", asdict(user), task))

    def user(self, user_id: str) -> User | None:
        row = self._row(select(users).where(users.c.user_id == user_id))
        return User(**row) if row else None

    def add_video(self, video: Video, task: QueuedTask) -> Video:
        """Store the video and the task. Return the video that has the id: this one, or one stored earlier."""
        return _video(self._insert(videos, "video_id", asdict(video), task))

    def video(self, video_id: str) -> Video | None:
        row = self._row(select(videos).where(videos.c.video_id == video_id))
        return _video(row) if row else None

    def change_open_video(self, video_id: str, attempt: int | None = None, **values: object) -> bool:
        """Return False, and change nothing, if the video has ended or a later attempt than `attempt` has begun."""
        if "status" in values and values["status"] not in OPEN:
            values["finished_at"] = self._clock()
        current = () if attempt is None else (videos.c.attempts == attempt,)
        of_open = videos.c.video_id == video_id, videos.c.status.in_(OPEN)
        return bool(self._database.change(update(videos).where(*of_open, *current).values(values)))

    def begin_video(self, video_id: str) -> Video | None:
        """Count one more attempt. Return None if the video has ended."""
        begun = self.change_open_video(
            video_id, status=VideoStatus.PROCESSING, attempts=videos.c.attempts + 1, percent=0, alive_at=self._clock()
        )
        return self.video(video_id) if begun else None

    def add_task(self, task: QueuedTask) -> bool:
        """Return False if the outbox already has the task."""
        with self._database.writing() as connection:
            new = self._add_task(connection, task)
            connection.commit()
        return new

    def due(self, limit: int) -> Sequence[QueuedTask]:
        """Return the tasks to send now, the longest due first."""
        wanted = select(task_outbox).where(task_outbox.c.due_at <= self._clock()).order_by(task_outbox.c.due_at)
        with self._database.reading() as connection:
            return [_task(dict(row)) for row in connection.execute(wanted.limit(limit)).mappings()]

    def sent(self, task_id: str, again_after: timedelta) -> None:
        """Make the task due again after this time, in case the broker loses it. A task that has ended stays ended."""
        # Only if it is still open: a quick task may have ended before the sender gets here.
        self._set_due(self._clock() + again_after, task_outbox.c.task_id == task_id, task_outbox.c.due_at.is_not(None))

    def ended(self, task_id: str) -> None:
        self._set_due(None, task_outbox.c.task_id == task_id)

    def has_ended(self, task_id: str) -> bool:
        row = self._row(select(task_outbox).where(task_outbox.c.task_id == task_id))
        return row is not None and row["due_at"] is None

    def requeue_silent_videos(self, silent_for: timedelta) -> int:
        """Requeue the tasks of videos whose worker gave no sign of life for `silent_for`. Return how many."""
        # Also where only the child hangs: its worker keeps the message.
        now = self._clock()
        silent = select(videos.c.video_id).where(
            videos.c.status == VideoStatus.PROCESSING, videos.c.alive_at < now - silent_for
        )
        again = update(task_outbox).where(task_outbox.c.task_id.in_(silent), task_outbox.c.due_at > now)
        with self._database.writing() as connection:
            requeued = connection.execute(again.values(due_at=now)).rowcount
            connection.execute(update(videos).where(videos.c.video_id.in_(silent)).values(status=VideoStatus.QUEUED))
            connection.commit()
        return requeued

    def fail_videos(self, older_than: timedelta) -> int:
        """Mark open videos of this age as failed: nothing works on them any more. Return how many."""
        now = self._clock()
        values = {"status": VideoStatus.FAILED, "error": "not finished in time", "finished_at": now}
        abandoned = videos.c.status.in_(OPEN), videos.c.created_at < now - older_than
        return self._database.change(update(videos).where(*abandoned).values(values))

    def forget_old(self) -> int:
        """Delete the rows of tasks that ended, once they are older than KEPT. Return how many."""
        old = delete(task_outbox).where(task_outbox.c.due_at.is_(None), task_outbox.c.written_at < self._clock() - KEPT)
        return self._database.change(old)

    def _set_due(self, at: datetime | None, *where: ColumnElement[bool]) -> None:
        self._database.change(update(task_outbox).where(*where).values(due_at=at))

    def _insert(self, table: Table, key: str, row: dict[str, Any], task: QueuedTask) -> dict[str, Any]:
        with self._database.writing() as connection:
            # A repeated call adds neither: the first one has written both in this transaction.
            if _inserted(connection, table, row):
                self._add_task(connection, task)
            found = connection.execute(select(table).where(table.c[key] == row[key])).mappings().one()
            connection.commit()
        return dict(found)

    def _add_task(self, connection: Connection, task: QueuedTask) -> bool:
        now = self._clock()
        times = {"written_at": now, "due_at": now + SENT_BY_WRITER}
        return _inserted(connection, task_outbox, asdict(task) | {"arguments": json.dumps(task.arguments)} | times)

    def _row(self, wanted: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a select
        with self._database.reading() as connection:
            row = connection.execute(wanted).mappings().first()
        return dict(row) if row else None


def _inserted(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Return False if the key exists."""
    # By the returned row: psycopg reports no row count for an INSERT .. ON CONFLICT.
    wanted = inserting(connection.dialect.name, table).values(row).on_conflict_do_nothing()
    return connection.execute(wanted.returning(*table.primary_key)).first() is not None


def _video(row: dict[str, Any]) -> Video:
    return Video(**row | {"engine": VideoEngine(row["engine"]), "status": VideoStatus(row["status"])})


def _task(row: dict[str, Any]) -> QueuedTask:
    return QueuedTask(
        task_id=row["task_id"],
        task=row["task"],
        arguments=tuple(json.loads(row["arguments"])),
        engine=VideoEngine(row["engine"]),
    )
