"""The event log and the journal of steps name their key `key`: messaging knows no orders."""

from messaging.sql.migrations.journal_changes import name_keys

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    name_keys()
