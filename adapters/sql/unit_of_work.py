"""The unit of work over SQL: a service's change, its inbox row and its event, under one commit."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from sqlalchemy import Connection

from adapters.sql import journal
from adapters.sql.batch import Batch, OpenTransaction, single_unit
from adapters.sql.database import Database
from adapters.sql.inbox import AlreadyHandled, KeyIsParked, put_into_inbox, status_of
from domain.events import Event, RecordedEvent
from domain.ids import EventId, OrderId
from domain.order import Step
from services.unit_of_work import Clock, StepRecord, StepStatus

S = TypeVar("S")


@dataclass(slots=True)
class MessageContext:
    """The message that a unit handles. `traceparent` is W3C trace context, which the resulting events carry on.

    `within`: the batch that the unit belongs to. `in_inbox` is set by the commit that writes the inbox row.
    `check_inbox_for`: the key of the message; the first unit checks the inbox and the parked messages before it starts.
    """

    message_id: EventId
    traceparent: str | None = None
    within: Batch | None = None
    in_inbox: bool = False
    check_inbox_for: str | None = None


class SqlUnits(Generic[S]):
    """`publish`: events go into the outbox; otherwise they are only in the event log, for the timeline."""

    def __init__(
        self,
        database: Database,
        store: Callable[[Connection], S],
        clock: Clock,
        *,
        publish: bool,
        message: MessageContext | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._publish = publish
        self._message = message

    def for_message(self, message: MessageContext | None) -> "SqlUnits[S]":
        """Bind to one message: a commit that records an event also writes the message's inbox row.

        Such a commit raises AlreadyHandled if the row exists. A commit without an event writes no inbox row: the caller
        marks the message afterwards. With `check_inbox_for`, opening the first unit raises AlreadyHandled or
        KeyIsParked.
        """
        return SqlUnits(self._database, self._store, self._clock, publish=self._publish, message=message)

    def begin(self) -> "SqlUnit[S]":
        batch = self._message and self._message.within
        return self._unit(batch.savepoint() if batch else single_unit(self._database.writing()))

    def look(self) -> "SqlUnit[S]":
        batch = self._message and self._message.within
        return self._unit(batch.look() if batch else single_unit(self._database.reading()))

    def _unit(self, transaction: AbstractContextManager[OpenTransaction]) -> "SqlUnit[S]":
        log = journal.EventLog(self._database.service, self._clock, publish=self._publish)
        return SqlUnit(transaction, self._store, log, self._clock, self._message)


class SqlUnit(Generic[S]):
    def __init__(
        self,
        transaction: AbstractContextManager[OpenTransaction],
        store: Callable[[Connection], S],
        log: "journal.EventLog",
        clock: Clock,
        message: MessageContext | None,
    ) -> None:
        self._transaction = transaction
        self._make_store = store
        self._log = log
        self._clock = clock
        self._message = message
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
        self._store = self._make_store(self._connection)
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
            raise AlreadyHandled(message.message_id)
        message.check_inbox_for = None

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def record(self, event: Event) -> None:
        cause, traceparent = (self._message.message_id, self._message.traceparent) if self._message else (None, None)
        self._log.record(self._connection, self._journal, event, caused_by=cause, traceparent=traceparent)
        self._recorded = True

    def tried(self, order_id: OrderId, step: Step, status: StepStatus, *, error: str | None = None) -> None:
        tried = StepRecord(step=step, status=status, attempts=1, last_error=error, at=self._clock())
        journal.count_attempt(self._dialect, self._journal, tried, order_id)

    def steps_of(self, order_id: OrderId) -> Sequence[StepRecord]:
        return journal.steps_of(self._connection, order_id)

    def events_of(self, order_id: OrderId) -> Sequence[RecordedEvent]:
        return self._log.events_of(self._connection, order_id)

    def commit(self) -> None:
        if self._message is not None and self._recorded:
            # The inbox row commits together with the effect and its event. So a message that is delivered again, to
            # this consumer or to another one, either finds the row or finds no trace of the first attempt.
            message_id = self._message.message_id
            if not put_into_inbox(self._dialect, self._journal, message_id, self._clock):
                raise AlreadyHandled(message_id)
            self._commit()
            self._message.in_inbox = True
        else:
            self._commit()
