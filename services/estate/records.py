from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`fingerprint` is a digest of the request, which distinguishes a repeated call from a reused key."""

    user_id: str
    name: str
    email: str
    fingerprint: str
    created_at: datetime


class VideoEngine(StrEnum):
    CELERY = "celery"
    TEMPORAL = "temporal"


class VideoStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (VideoStatus.QUEUED, VideoStatus.PROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """Sizes are in bytes. `attempts` counts every start, also those after a worker was lost.

    `alive_at` is the last sign of life of the worker that processes it.
    """

    video_id: str
    engine: VideoEngine
    fingerprint: str
    size_before: int
    created_at: datetime
    status: VideoStatus = VideoStatus.QUEUED
    percent: int = 0
    attempts: int = 0
    size_after: int | None = None
    stored_at: str | None = None
    error: str | None = None
    alive_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A task in the outbox, written in one transaction with its subject. Its id is the task id in Celery too."""

    task_id: str
    task: str
    arguments: tuple[str, ...]
    engine: VideoEngine = VideoEngine.CELERY
