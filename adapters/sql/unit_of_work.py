"""The unit of work over SQL: a service's change, its inbox row and its event, under one commit."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from sqlalchemy import Connection

from adapters.sql import journal
from adapters.sql.batch import Batch, Opened, alone
from adapters.sql.database import Database
from adapters.sql.inbox import AlreadyHandled, KeyIsParked, put_into_inbox, standing_of
from domain.events import Event, RecordedEvent
from domain.ids import EventId, OrderId
from domain.order import Step
from services.unit_of_work import Clock, StepRecord, StepStatus

S = TypeVar("S")


@dataclass(slots=True)
class MessageContext:
    """The message that a unit's work answers to. `traceparent` is W3C trace context, passed on to what it causes.

    `in_inbox` is set by the commit that puts the message there. `within`: the unit is a part of that batch.
    `check_inbox_for`: the first unit has to find out how the message of this key stands, before anything else is done.
    """

    message_id: EventId
    traceparent: str | None = None
    within: Batch | None = None
    in_inbox: bool = False
    check_inbox_for: str | None = None


class SqlUnits(Generic[S]):
    """`publish`: the events go into the outbox; otherwise they are only recorded, for the timeline."""

    def __init__(
        self,
        database: Database,
        store: Callable[[Connection], S],
        clock: Clock,
        *,
        publish: bool,
        handling: MessageContext | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._publish = publish
        self._handling = handling

    def handling(self, handling: MessageContext | None) -> "SqlUnits[S]":
        """Bind to one message, or to none: the commit that records an event also puts the message into the inbox.

        Such a commit raises AlreadyHandled if the message is there already. What a handling commits without an event
        leaves no inbox row: the caller marks the message afterwards. Where it has a `check_inbox_for` its first unit
        raises AlreadyHandled, or KeyIsParked, when it is opened.
        """
        return SqlUnits(self._database, self._store, self._clock, publish=self._publish, handling=handling)

    def begin(self) -> "SqlUnit[S]":
        batch = self._handling and self._handling.within
        return self._unit(batch.part() if batch else alone(self._database.writing()))

    def look(self) -> "SqlUnit[S]":
        batch = self._handling and self._handling.within
        return self._unit(batch.look() if batch else alone(self._database.reading()))

    def _unit(self, transaction: AbstractContextManager[Opened]) -> "SqlUnit[S]":
        log = journal.EventLog(self._database.service, self._clock, publish=self._publish)
        return SqlUnit(transaction, self._store, log, self._clock, self._handling)


class SqlUnit(Generic[S]):
    def __init__(
        self,
        transaction: AbstractContextManager[Opened],
        store: Callable[[Connection], S],
        log: "journal.EventLog",
        clock: Clock,
        handling: MessageContext | None,
    ) -> None:
        self._transaction = transaction
        self._make_store = store
        self._log = log
        self._clock = clock
        self._handling = handling
        self._recorded = False

    @property
    def store(self) -> S:
        return self._store

    def __enter__(self) -> Self:
        self._connection, self._journal, self._make_lasting = self._transaction.__enter__()
        try:
            self._find_out_standing()
        except BaseException as why:
            self._transaction.__exit__(type(why), why, why.__traceback__)
            raise
        self._store = self._make_store(self._connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)

    def _find_out_standing(self) -> None:
        handling = self._handling
        if handling is None or handling.check_inbox_for is None:
            return
        standing = standing_of(self._connection, handling.message_id, handling.check_inbox_for)
        if standing.key_is_parked:
            raise KeyIsParked(handling.check_inbox_for)
        if standing.handled:
            raise AlreadyHandled(handling.message_id)
        handling.check_inbox_for = None

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def record(self, event: Event) -> None:
        cause, traceparent = (self._handling.message_id, self._handling.traceparent) if self._handling else (None, None)
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
        if self._handling is not None and self._recorded:
            message_id = self._handling.message_id
            if not put_into_inbox(self._dialect, self._journal, message_id, self._clock):
                raise AlreadyHandled(message_id)
            self._make_lasting()
            self._handling.in_inbox = True
        else:
            self._make_lasting()
