"""The unit of work over SQL: a service's change, its inbox row and its event, under one commit."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, replace
from types import TracebackType
from typing import Generic, Self, TypeVar

import structlog
from sqlalchemy import Connection

from messaging import tracing
from messaging.events import E, RecordedEvent
from messaging.sql import journal
from messaging.sql.batch import Batch, OpenTransaction, single_unit
from messaging.sql.database import Database
from messaging.sql.inbox import AlreadyHandled, KeyIsParked, MessageId, event_id_in, put_into_inbox, status_of
from messaging.unit_of_work import Clock, StepRecord, StepStatus
from messaging.vocabulary import Vocabulary

S = TypeVar("S")

COMMITTED = "committed"
"""Event of the span of a unit, or of a message that shares a commit with others."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class MessageContext:
    """The message that a unit handles. `traceparent` is W3C trace context, which the resulting events carry on.

    `within`: the batch that the unit belongs to. `in_inbox` is set by the commit that writes the inbox row.
    `check_inbox_for`: the key of the message; the first unit checks the inbox and the parked messages before it starts.
    """

    message_id: MessageId
    traceparent: str | None = None
    within: Batch | None = None
    in_inbox: bool = False
    check_inbox_for: str | None = None


@dataclass(frozen=True, slots=True)
class SqlUnits(Generic[S, E]):
    """`publish`: events go into the outbox; otherwise they are only in the event log, for the timeline.

    `committed` is called with the store of each unit after its commit; within a batch, after its part of it.
    """

    database: Database
    vocabulary: Vocabulary[E]
    store: Callable[[Connection], S]
    clock: Clock
    _: KW_ONLY
    publish: bool
    message: MessageContext | None = None
    committed: Callable[[S], None] = lambda _: None

    def for_message(self, message: MessageContext | None) -> "SqlUnits[S, E]":
        """Bind to one message: a commit that records an event also writes the message's inbox row.

        Such a commit raises AlreadyHandled if the row exists. A commit without an event writes no inbox row: the caller
        marks the message afterwards. With `check_inbox_for`, opening the first unit raises AlreadyHandled or
        KeyIsParked.
        """
        return replace(self, message=message)

    def begin(self) -> "SqlUnit[S, E]":
        batch = self.message and self.message.within
        return SqlUnit(self, batch.savepoint() if batch else single_unit(self.database.writing()))

    def look(self) -> "SqlUnit[S, E]":
        batch = self.message and self.message.within
        return SqlUnit(self, batch.look() if batch else single_unit(self.database.reading()))


class SqlUnit(Generic[S, E]):
    def __init__(self, units: SqlUnits[S, E], transaction: AbstractContextManager[OpenTransaction]) -> None:
        self._units = units
        self._transaction = transaction
        self._message = units.message
        self._recorded = False

    @property
    def store(self) -> S:
        return self._store

    def __enter__(self) -> Self:
        self._connection, self._journal, self._commit = self._transaction.__enter__()
        try:
            self._check_inbox()
        except BaseException as error:
            # The caller's `with` block never starts, so its end does not close the transaction.
            self._transaction.__exit__(type(error), error, error.__traceback__)
            raise
        self._store = self._units.store(self._connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)

    def _check_inbox(self) -> None:
        message = self._message
        if message is None or message.check_inbox_for is None:
            return
        # In the unit's own transaction, which spares every message a transaction of its own for the check.
        status = status_of(self._connection, message.message_id, message.check_inbox_for)
        if status.key_is_parked:
            raise KeyIsParked(message.check_inbox_for)
        if status.handled:
            raise AlreadyHandled(f"message {message.message_id} was handled before")
        message.check_inbox_for = None

    def record(self, event: E) -> None:
        units, message, vocabulary = self._units, self._message, self._units.vocabulary
        key = vocabulary.key_of(event)
        recorded = RecordedEvent(
            event_id=vocabulary.event_id(key, event.type),
            event=event,
            service=units.database.service,
            at=units.clock(),
            caused_by=event_id_in(message.message_id) if message else None,
        )
        trace = tracing.traceparent() or (message.traceparent if message else None)
        journal.record_event(self._connection, self._journal, vocabulary.write(recorded), trace, publish=units.publish)
        self._recorded = True
        if message is not None:  # only the choreography reacts to messages
            tracing.note({tracing.STYLE: tracing.CHOREOGRAPHED})
        log.debug("event recorded", type=event.type, **{vocabulary.key_in_logs: key})

    def tried(self, key: str, step: str, status: StepStatus, *, error: str | None = None) -> None:
        tried = StepRecord(step=str(step), status=status, attempts=1, last_error=error, at=self._units.clock())
        tracing.note({tracing.STEP: tried.step})
        journal.count_attempt(self._connection.dialect.name, self._journal, tried, key)

    def steps_of(self, key: str) -> Sequence[StepRecord]:
        return journal.steps_of(self._connection, key)

    def events_of(self, key: str) -> Sequence[RecordedEvent[E]]:
        written = journal.events_of(self._connection, key, self._units.database.service)
        return list(map(self._units.vocabulary.read, written))

    def commit(self) -> None:
        if self._message is not None and self._recorded:
            # The inbox row commits together with the effect and its event. So a message that is delivered again, to
            # this consumer or to another one, either finds the row or finds no trace of the first attempt.
            message_id = self._message.message_id
            if not put_into_inbox(self._connection.dialect.name, self._journal, message_id, self._units.clock):
                raise AlreadyHandled(f"message {message_id} was handled before")
            self._commit()
            self._message.in_inbox = True
        else:
            self._commit()
        if self._message is None or self._message.within is None:
            tracing.event(COMMITTED)
        self._units.committed(self._store)
