"""The simulated gateway's books."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "charges",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("account", sa.Text(), nullable=False, index=True),
        sa.Column("charge_id", sa.Text(), nullable=False),
        sa.Column("instant", sa.Boolean(), nullable=False),
        sa.Column("token", sa.Text()),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("currency", sa.Text()),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("refund_asked", sa.Boolean(), nullable=False),
        sa.Column("charge_faults", sa.Integer(), nullable=False),
        sa.Column("refund_faults", sa.Integer(), nullable=False),
    )
