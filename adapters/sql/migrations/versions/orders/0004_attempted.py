"""A table of where consumers began, so that a message that kills its process is isolated."""

from messaging.sql.migrations.journal_changes import create_attempted

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    create_attempted()
