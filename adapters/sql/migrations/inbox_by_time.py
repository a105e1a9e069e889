"""The second revision of every journal: what is old enough to be forgotten is found without reading the whole inbox."""

from alembic import op


def index_inbox_by_time() -> None:
    op.create_index("ix_inbox_handled_at", "inbox", ["handled_at"])
