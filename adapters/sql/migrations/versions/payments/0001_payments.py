"""Payments."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.dialects import Instant
from messaging.sql.migrations.first_journal import create_journal

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_journal()
    op.create_table(
        "payments",
        sa.Column("order_id", sa.Text(), primary_key=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priced_order", sa.Text()),
        sa.Column("charge_id", sa.Text()),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("expires_at", Instant()),
    )
    pending = sa.text("status = 'pending'")
    op.create_index(
        "ix_payments_expires_at", "payments", ["expires_at"], sqlite_where=pending, postgresql_where=pending
    )
