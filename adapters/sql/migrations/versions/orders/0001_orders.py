"""Orders and the price list."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.dialects import Instant
from messaging.sql.migrations.first_journal import create_journal

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_journal()
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Text(), primary_key=True),
        sa.Column("style", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("priced_order", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("attention", sa.Text()),
        sa.Column("placed_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant()),
    )
    place = ["placed_at", "order_id"]
    op.create_index("ix_orders_place", "orders", place)
    op.create_index("ix_orders_style_place", "orders", ["style", *place])
    op.create_index("ix_orders_status_place", "orders", ["status", *place])
    op.create_index("ix_orders_style_status_place", "orders", ["style", "status", *place])
    requested = sa.text("stage = 'requested'")
    op.create_index(
        "ix_orders_never_created", "orders", ["style", "placed_at"], sqlite_where=requested, postgresql_where=requested
    )
    op.create_table(
        "prices",
        sa.Column("sku", sa.Text(), primary_key=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
    )
