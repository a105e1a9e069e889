"""A table of where consumers began, so that a message that kills its process is isolated."""

from messaging.sql.migrations.journal_changes import create_attempted

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_attempted()
