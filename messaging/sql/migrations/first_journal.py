"""The journal as the first revision of each service creates it. After a release, changes are revisions of their own."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.dialects import Instant, Sequence


def create_journal() -> None:
    _create_event_log()
    op.create_table(
        "steps",
        sa.Column("order_id", sa.Text(), primary_key=True),
        sa.Column("step", sa.Text(), primary_key=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("at", Instant(), nullable=False),
    )
    op.create_table(
        "inbox",
        sa.Column("message_id", sa.Text(), primary_key=True),
        sa.Column("handled_at", Instant(), nullable=False, index=True),
    )
    _create_parked()


def _create_event_log() -> None:
    op.create_table(
        "event_log",
        sa.Column("seq", Sequence, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text(), nullable=False, unique=True),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("caused_by", sa.Text()),
        sa.Column("traceparent", sa.Text()),
        sa.Column("publish", sa.Boolean(), nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_log_order_id_seq", "event_log", ["order_id", "seq"])
    op.create_index(
        "ix_event_log_outbox",
        "event_log",
        ["seq"],
        sqlite_where=sa.text("waits IS 1"),
        postgresql_where=sa.text("waits IS true"),
    )


def _create_parked() -> None:
    op.create_table(
        "parked",
        sa.Column("seq", Sequence, primary_key=True, autoincrement=True),
        sa.Column("message_id", sa.Text(), nullable=False, unique=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", Instant(), nullable=False, index=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_parked_key_seq", "parked", ["key", "seq"])
