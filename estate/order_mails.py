"""Tells customers how their orders ended, in both styles: those whose end is heard, and those whose end was missed."""

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from adapters.codec import UndecodableEvent, UnknownEventType
from adapters.kafka.away import DATABASE_AWAY
from adapters.kafka.cloudevents import NotACloudEvent, from_message, type_header
from adapters.kafka.message import IncomingMessage
from adapters.sql.estate import KEPT, Estate
from domain.errors import UnknownOrder
from domain.events import OrderCancelled, OrderConfirmed
from domain.ids import OrderId
from domain.order import OrderStatus
from estate.task_outbox import TaskOutbox
from services.audit.invariants import PENDING_DEADLINE
from services.estate.mails import order_ended
from services.estate.records import QueuedTask
from services.orders.service import OrderService
from services.orders.store import OrderFilter, OrderRecord
from services.unit_of_work import Clock
from twinsaga_bridges.backoff import Backoff

log = structlog.get_logger(__name__)

ENDS = (OrderStatus.CONFIRMED, OrderStatus.CANCELLED)
END_TYPES = ("order.confirmed", "order.cancelled")
POISON = (NotACloudEvent, UndecodableEvent, UnknownEventType)
LOOK_S = 3600.0
LATELY = timedelta(hours=1)
"""Far longer than an end waits to be heard."""

AT_ONCE = 200
_AWAY = Backoff(first_s=0.1, longest_s=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateOrderMails:
    """The customer id of an order is the id of a user; who has ordered without an account gets no mail."""

    orders: OrderService
    estate: Estate
    handing_over: TaskOutbox

    def order_ended(self, order_id: OrderId) -> None:
        try:
            order = self.orders.find(order_id)
        except UnknownOrder:
            return
        mail = self.promise(order)
        if mail is not None:
            self.handing_over.right_after_commit(mail)

    def promise(self, order: OrderRecord) -> QueuedTask | None:
        """Return the mail, which the estate's sweep hands over if nobody else does. None: it was promised before."""
        user = self.estate.user(order.request.customer_id)
        if user is None or order.status not in ENDS:
            return None
        mail = order_ended(user, order.request.order_id, order.reason)
        return mail if self.estate.promise(mail) else None


class MissedOrderEnds:
    """Ends that were published and never heard: a broker that lives in memory forgets them when it is restarted."""

    def __init__(self, mails: EstateOrderMails, clock: Clock, *, at_once: int = AT_ONCE) -> None:
        self._mails = mails
        self._clock = clock
        self._at_once = at_once

    def promise_mails(self, stop: threading.Event) -> None:
        """Return when all are promised, or when `stop` is set. While a database is away it waits and begins again."""
        delays = _AWAY.jittered()
        while not stop.is_set():
            try:
                mails = (self._mails.promise(order) for status in ENDS for order in self._lately(status, stop))
                promised = sum(mail is not None for mail in mails)
            except DATABASE_AWAY as away:
                log.warning("missed mails wait for a database", error=str(away))
                stop.wait(next(delays))
            else:
                log.info("looked for missed mails", promised=promised)
                return

    def _lately(self, status: OrderStatus, stop: threading.Event) -> Iterator[OrderRecord]:
        """Those of the last hour before the newest: of a stack that was down all night, of its last hour.

        They are listed by when they were placed, and live for PENDING_DEADLINE at most, but for those that wait for an
        operator. None is from before KEPT: its promise may be forgotten, and would be made twice.
        """
        since, before = self._clock() - KEPT, None
        while page := self._mails.orders.page(OrderFilter(limit=self._at_once, status=status, before=before)):
            if before is None:
                since = max(since, page[0].placed_at - LATELY - PENDING_DEADLINE)
            for order in page:
                if stop.is_set() or order.placed_at < since:
                    return
                yield order
            before = page[-1].placed_at, page[-1].request.order_id


class MailingOrderEnds:
    """What a group member asks of its deliveries. A mail is promised once, so that no inbox is needed."""

    seconds_until_next = LOOK_S

    def __init__(self, mails: EstateOrderMails) -> None:
        self._mails = mails

    def decide(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        """Raises DatabaseFault: the same message has to come again. What cannot be read is passed over."""
        for message in messages:
            self._promise_mail(message)
            yield message

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None:
        """Nothing is ever parked."""

    def check(self) -> None:
        self._mails.estate.has_ended("")

    def _promise_mail(self, message: IncomingMessage) -> None:
        if type_header(message.headers) not in END_TYPES:
            return
        try:
            event = from_message(message.key, message.value, message.headers).recorded.event
        except POISON as poison:
            log.warning("no mail for a message that cannot be read", error=repr(poison))
            return
        if isinstance(event, OrderConfirmed | OrderCancelled):
            self._mails.order_ended(event.order_id)
