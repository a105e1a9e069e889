"""Old messages of the inbox are found by their time."""

from adapters.sql.migrations.first_journal import index_inbox_by_time

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    index_inbox_by_time()
