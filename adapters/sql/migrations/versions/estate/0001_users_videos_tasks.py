"""The Celery estate's users, videos and outbox of tasks."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.dialects import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
    )
    op.create_table(
        "videos",
        sa.Column("video_id", sa.Text(), primary_key=True),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("size_before", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("size_after", sa.BigInteger()),
        sa.Column("stored_at", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("alive_at", Instant()),
        sa.Column("finished_at", Instant()),
    )
    op.create_table(
        "task_outbox",
        sa.Column("task_id", sa.Text(), primary_key=True),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("due_at", Instant(), index=True),
        sa.Column("written_at", Instant(), nullable=False, index=True),
    )
