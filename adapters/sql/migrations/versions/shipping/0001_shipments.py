"""Shipments."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.migrations.first_journal import create_journal

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_journal()
    op.create_table(
        "shipments",
        sa.Column("order_id", sa.Text(), primary_key=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tracking_number", sa.Text()),
        sa.Column("reason", sa.Text()),
    )
