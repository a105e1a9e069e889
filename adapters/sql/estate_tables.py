"""The tables of the Celery estate: users, videos, and its outbox of tasks."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from adapters.sql.dialects import NAMES, Instant

ESTATE: Final = MetaData(naming_convention=NAMES)

users = Table(
    "users",
    ESTATE,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

videos = Table(
    "videos",
    ESTATE,
    Column("video_id", Text, primary_key=True),
    Column("engine", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("size_before", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("status", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("size_after", BigInteger),
    Column("stored_at", Text),
    Column("error", Text),
    Column("alive_at", Instant),
    Column("finished_at", Instant),
)

# `due_at` is when to send the task (again), and null once the task has ended.
task_outbox = Table(
    "task_outbox",
    ESTATE,
    Column("task_id", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("due_at", Instant),
    Column("written_at", Instant, nullable=False),
)
Index("ix_task_outbox_due_at", task_outbox.c.due_at)
Index("ix_task_outbox_written_at", task_outbox.c.written_at)
