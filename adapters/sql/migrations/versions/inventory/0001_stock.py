"""Stock and reservations."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.migrations.first_journal import create_journal

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_journal()
    op.create_table(
        "stock",
        sa.Column("sku", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("restocked", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("on_hand >= 0", name="on_hand"),
        sa.CheckConstraint("reserved >= 0", name="reserved"),
        sa.CheckConstraint("sold >= 0", name="sold"),
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", sa.Text(), primary_key=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priced_order", sa.Text()),
        sa.Column("reason", sa.Text()),
    )
    not_sold = sa.text("status = 'reserved'")
    op.create_index(
        "ix_reservations_not_sold", "reservations", ["order_id"], sqlite_where=not_sold, postgresql_where=not_sold
    )
