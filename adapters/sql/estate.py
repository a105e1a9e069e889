"""The estate's database: whatever promises a task writes the promise in the same transaction."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from adapters.sql.database import Database
from adapters.sql.dialects import inserting
from adapters.sql.estate_tables import task_outbox, users, videos
from services.estate.records import OPEN, QueuedTask, User, Video, VideoEngine, VideoStatus
from services.unit_of_work import Clock

HANDED_OVER_BY_WRITER = timedelta(seconds=3)
"""So long is a task left to whoever wrote it, who hands it over right after the commit."""
KEPT = timedelta(days=7)
"""A finished task is known so long, so that its occasion does not bring it again."""


class Estate:
    """Every method is one transaction. Raises DatabaseFault."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def register(self, user: User, task: QueuedTask) -> User:
        """Store the user with the promise of the task. Return who has that id: this one, or an earlier one."""
        return User(**self._insert(users, "user_id", asdict(user), task))

    def user(self, user_id: str) -> User | None:
        row = self._row(select(users).where(users.c.user_id == user_id))
        return User(**row) if row else None

    def take_in(self, video: Video, task: QueuedTask) -> Video:
        """Like `register`, for a video."""
        return _video(self._insert(videos, "video_id", asdict(video), task))

    def video(self, video_id: str) -> Video | None:
        row = self._row(select(videos).where(videos.c.video_id == video_id))
        return _video(row) if row else None

    def change_open_video(self, video_id: str, attempt: int | None = None, **values: object) -> bool:
        """False, and nothing changed, when the video is at its end already, or a later attempt than yours has begun."""
        if "status" in values and values["status"] not in OPEN:
            values["finished_at"] = self._clock()
        with self._database.writing() as connection:
            mine = () if attempt is None else (videos.c.attempts == attempt,)
            changed = connection.execute(update(videos).where(*_open_video(video_id), *mine).values(values)).rowcount
            connection.commit()
        return bool(changed)

    def begin_video(self, video_id: str) -> Video | None:
        """Count one more attempt; None when the video is at its end already."""
        begun = self.change_open_video(
            video_id,
            status=VideoStatus.PROCESSING,
            attempts=videos.c.attempts + 1,
            percent=0,
            alive_at=self._clock(),
        )
        return self.video(video_id) if begun else None

    def promise(self, task: QueuedTask) -> bool:
        """False when the same task was promised before."""
        with self._database.writing() as connection:
            new = self._promise(connection, task)
            connection.commit()
        return new

    def due(self, limit: int) -> Sequence[QueuedTask]:
        wanted = select(task_outbox).where(task_outbox.c.due_at <= self._clock()).order_by(task_outbox.c.due_at)
        with self._database.reading() as connection:
            return [_task(dict(row)) for row in connection.execute(wanted.limit(limit)).mappings()]

    def handed_over(self, task_id: str, again_after: timedelta) -> None:
        """Hand it over again only if it does not come to its end for so long: the broker may have lost it."""
        self._set_due(self._clock() + again_after, task_outbox.c.task_id == task_id, task_outbox.c.due_at.is_not(None))

    def ended(self, task_id: str) -> None:
        self._set_due(None, task_outbox.c.task_id == task_id)

    def has_ended(self, task_id: str) -> bool:
        row = self._row(select(task_outbox).where(task_outbox.c.task_id == task_id))
        return row is not None and row["due_at"] is None

    def revive_videos(self, silent_for: timedelta) -> int:
        """Their workers died, all at once; Redis would deliver the task again only after its visibility timeout."""
        now = self._clock()
        silent = select(videos.c.video_id).where(
            videos.c.status == VideoStatus.PROCESSING, videos.c.alive_at < now - silent_for
        )
        again = update(task_outbox).where(task_outbox.c.task_id.in_(silent), task_outbox.c.due_at > now)
        with self._database.writing() as connection:
            revived = connection.execute(again.values(due_at=now)).rowcount
            waiting = update(videos).where(videos.c.video_id.in_(silent)).values(status=VideoStatus.QUEUED)
            connection.execute(waiting)
            connection.commit()
        return revived

    def give_up_videos(self, older_than: timedelta) -> int:
        """Those that nobody has brought to an end: whoever worked on them is gone."""
        now = self._clock()
        values = {"status": VideoStatus.FAILED, "error": "nobody finished it in time", "finished_at": now}
        forsaken = videos.c.status.in_(OPEN), videos.c.created_at < now - older_than
        with self._database.writing() as connection:
            given_up = connection.execute(update(videos).where(*forsaken).values(values)).rowcount
            connection.commit()
        return given_up

    def forget_old(self) -> int:
        old = delete(task_outbox).where(task_outbox.c.due_at.is_(None), task_outbox.c.written_at < self._clock() - KEPT)
        with self._database.writing() as connection:
            forgotten = connection.execute(old).rowcount
            connection.commit()
        return forgotten

    def _set_due(self, at: datetime | None, *where: ColumnElement[bool]) -> None:
        with self._database.writing() as connection:
            connection.execute(update(task_outbox).where(*where).values(due_at=at))
            connection.commit()

    def _insert(self, table: Table, key: str, row: dict[str, Any], task: QueuedTask) -> dict[str, Any]:
        with self._database.writing() as connection:
            if _inserted(connection, table, row):
                self._promise(connection, task)
            found = connection.execute(select(table).where(table.c[key] == row[key])).mappings().one()
            connection.commit()
        return dict(found)

    def _promise(self, connection: Connection, task: QueuedTask) -> bool:
        now = self._clock()
        row = asdict(task) | {"arguments": json.dumps(task.arguments), "written_at": now}
        row["due_at"] = now + HANDED_OVER_BY_WRITER
        return _inserted(connection, task_outbox, row)

    def _row(self, wanted: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a select
        with self._database.reading() as connection:
            row = connection.execute(wanted).mappings().first()
        return dict(row) if row else None


def _inserted(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """False when the key is there already. Asked of the row: PostgreSQL's driver counts no rows of such an insert."""
    wanted = inserting(connection.dialect.name, table).values(row).on_conflict_do_nothing()
    return connection.execute(wanted.returning(*table.primary_key)).first() is not None


def _open_video(video_id: str) -> tuple[ColumnElement[bool], ...]:
    return videos.c.video_id == video_id, videos.c.status.in_(OPEN)


def _video(row: dict[str, Any]) -> Video:
    return Video(**row | {"engine": VideoEngine(row["engine"]), "status": VideoStatus(row["status"])})


def _task(row: dict[str, Any]) -> QueuedTask:
    return QueuedTask(
        task_id=row["task_id"],
        task=row["task"],
        arguments=tuple(json.loads(row["arguments"])),
        engine=VideoEngine(row["engine"]),
    )
