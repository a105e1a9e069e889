"""API keys, the record of actions, and the customer of each order, by whom orders are listed."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.dialects import Instant, Sequence

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("orders", sa.Column("customer_id", sa.Text()))
    op.execute(fill_customers(op.get_bind().dialect.name))
    op.create_index("ix_orders_customer_place", "orders", ["customer_id", "placed_at", "order_id"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), primary_key=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text()),
        sa.Column("requests_per_minute", sa.Integer()),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant()),
    )
    op.create_table(
        "actions",
        sa.Column("seq", Sequence, primary_key=True, autoincrement=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("error", sa.Text()),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_actions_order_id_seq", "actions", ["order_id", "seq"])


def fill_customers(dialect: str) -> str:
    """The statement that reads the customer of each order from its request."""
    found = "request::json ->> 'customer_id'" if dialect == "postgresql" else "json_extract(request, '$.customer_id')"
    return f"UPDATE orders SET customer_id = {found}"  # noqa: S608 - one of the two above
