"""Changes of the journal after its first revision, for the revisions of all four services."""

import sqlalchemy as sa
from alembic import op


def create_attempted() -> None:
    op.create_table(
        "attempted",
        sa.Column("topic", sa.Text(), primary_key=True),
        sa.Column("partition", sa.Integer(), primary_key=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
    )


def name_keys() -> None:
    """The key of events and steps has its name in all sagas. A rename rewrites no row, on either database."""
    op.drop_index("ix_event_log_order_id_seq", "event_log")
    for table in ("event_log", "steps"):
        # Not `alter_column`, which on SQLite copies the table.
        op.execute(f"ALTER TABLE {table} RENAME COLUMN order_id TO key")
    op.create_index("ix_event_log_key_seq", "event_log", ["key", "seq"])
