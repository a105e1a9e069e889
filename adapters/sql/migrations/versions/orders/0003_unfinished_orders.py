"""An index of the unfinished orders replaces that of the orders never created: the sweep looks at all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("ix_orders_never_created", "orders")
    unfinished = sa.text("finished_at IS NULL")
    op.create_index(
        "ix_orders_unfinished",
        "orders",
        ["style", "placed_at", "order_id"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
