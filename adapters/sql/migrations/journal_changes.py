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
