"""The tables that each service has beside its own: steps, event log, inbox, parked and attempted messages."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Index, Integer, LargeBinary, MetaData, Table, Text

from messaging.sql.dialects import NAMES, Instant, Sequence

JOURNAL: Final = MetaData(naming_convention=NAMES)

event_log = Table(
    "event_log",
    JOURNAL,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("caused_by", Text),
    Column("traceparent", Text),
    Column("publish", Boolean, nullable=False),
    Column("waits", Boolean, nullable=False),
    # A number means one event for ever: SQLite would otherwise give that of a deleted last row to the next event.
    sqlite_autoincrement=True,
)
waits_in_outbox: Final[ColumnElement[bool]] = event_log.c.waits.is_(True)
Index("ix_event_log_key_seq", event_log.c.key, event_log.c.seq)
Index("ix_event_log_outbox", event_log.c.seq, sqlite_where=waits_in_outbox, postgresql_where=waits_in_outbox)

steps = Table(
    "steps",
    JOURNAL,
    Column("key", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("at", Instant, nullable=False),
)

inbox = Table(
    "inbox",
    JOURNAL,
    Column("message_id", Text, primary_key=True),
    Column("handled_at", Instant, nullable=False, index=True),  # for the retention
)

parked = Table(
    "parked",
    JOURNAL,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("message_id", Text, nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant, nullable=False, index=True),
    Column("last_error", Text, nullable=False),
    sqlite_autoincrement=True,
)
attempted = Table(
    "attempted",
    JOURNAL,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
)

Index("ix_parked_key_seq", parked.c.key, parked.c.seq)
