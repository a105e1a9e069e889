"""Orders that do not exist, and whose records in the other services an operator has written off."""

import sqlalchemy as sa
from alembic import op

from messaging.sql.dialects import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "write_offs",
        sa.Column("order_id", sa.Text(), primary_key=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
