"""Mails customers when their orders end, in both styles, also when the event about the end was lost."""

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from adapters.sql.estate import KEPT, Estate
from domain.errors import UnknownOrder
from domain.events import OrderCancelled, OrderConfirmed
from domain.ids import OrderId
from domain.order import OrderStatus, SagaStyle
from estate.task_outbox import TaskOutbox
from messaging.kafka.cloudevents import type_header
from messaging.kafka.decoding import Decoded, received_event
from messaging.kafka.message import IncomingMessage
from messaging.kafka.message_spans import handling
from messaging.sql.faults import DATABASE_AWAY
from messaging.unit_of_work import Clock
from services.estate.mails import order_ended
from services.estate.records import QueuedTask
from services.names import SAGA_OUTCOMES
from services.orders.service import OrderService
from services.orders.store import PENDING_DEADLINE, OrderFilter, OrderRecord
from services.vocabulary import ORDER_EVENTS
from twinsaga_bridges.backoff import Backoff

log = structlog.get_logger(__name__)

FINISHED = (OrderStatus.CONFIRMED, OrderStatus.CANCELLED)
OUTCOME_TYPES = ("order.confirmed", "order.cancelled")
RETRY_CHECK_S = 3600.0
LOOK_BACK = timedelta(hours=1)
"""Far longer than an outcome event waits for its consumer."""

PAGE = 200
_BACKOFF = Backoff(first_s=0.1, longest_s=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMails:
    """The customer id of an order is the id of a user. An order without a user gets no mail."""

    orders: OrderService
    estate: Estate
    task_outbox: TaskOutbox

    def order_ended(self, order_id: OrderId) -> None:
        try:
            order = self.orders.find(order_id)
        except UnknownOrder:
            return
        mail = self.add(order)
        if mail is not None:
            log.debug("mail added", order_id=order_id, task_id=mail.task_id)
            self.task_outbox.send_after_commit(mail)

    def add(self, order: OrderRecord) -> QueuedTask | None:
        """Write the mail into the task outbox. Return None if it was there already, or if the order gets no mail."""
        user = self.estate.user(order.request.customer_id)
        if user is None or order.status not in FINISHED:
            return None
        mail = order_ended(user, order.request.order_id, order.reason)
        return mail if self.estate.add_task(mail) else None


class MissedOrderMails:
    """Adds the mails of orders whose outcome event was lost: an in-memory broker loses its records when it restarts."""

    def __init__(self, mails: OrderMails, clock: Clock, *, page: int = PAGE) -> None:
        self._mails = mails
        self._clock = clock
        self._page = page

    def add(self, stop: threading.Event) -> None:
        """Return when all mails are added, or when `stop` is set. While a database is away, wait and start again."""
        delays = _BACKOFF.jittered()
        while not stop.is_set():
            try:
                mails = (self._mails.add(order) for status in FINISHED for order in self._recent(status, stop))
                added = sum(mail is not None for mail in mails)
            except DATABASE_AWAY as away:
                log.warning("missed mails wait for a database", error=str(away))
                stop.wait(next(delays))
            else:
                log.info("looked for missed mails", added=added)
                return

    def _recent(self, status: OrderStatus, stop: threading.Event) -> Iterator[OrderRecord]:
        """Yield the orders that ended in the hour before the newest one, even if the stack was down since."""
        # Pages are sorted by the time of placing, and an order ends within PENDING_DEADLINE of it unless it needs an
        # operator. Never look back further than KEPT: the row of such a mail may be deleted, and would be added twice.
        since, before = self._clock() - KEPT, None
        while page := self._mails.orders.page(OrderFilter(limit=self._page, status=status, before=before)):
            if before is None:
                since = max(since, page[0].placed_at - LOOK_BACK - PENDING_DEADLINE)
            for order in page:
                if stop.is_set() or order.placed_at < since:
                    return
                yield order
            before = page[-1].placed_at, page[-1].request.order_id


class OrderMailDelivery:
    """Handles outcome events for a group member. It needs no inbox: the task outbox takes each mail once."""

    seconds_until_retry = RETRY_CHECK_S

    def __init__(self, mails: OrderMails) -> None:
        self._mails = mails

    def handle(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        """Add the mail of each message, and skip one that cannot be read. Raises DatabaseFault: repeat the message."""
        for message in messages:
            self._add_mail(message)
            yield message

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None:
        """Do nothing: no message is parked."""

    def check(self) -> None:
        self._mails.estate.has_ended("")

    def _add_mail(self, message: IncomingMessage) -> None:
        if message.error is not None:
            log.warning("skipped a message", topic=message.topic, offset=message.offset, error=repr(message.error))
            return
        if type_header(message.headers) not in OUTCOME_TYPES:
            return
        style = SagaStyle.ORCHESTRATED if message.topic == SAGA_OUTCOMES else SagaStyle.CHOREOGRAPHED
        try:
            received = received_event(ORDER_EVENTS, message)
            if isinstance(received.event, OrderConfirmed | OrderCancelled):
                with handling(Decoded(message, received), ORDER_EVENTS, _no_trace, style=style.value):
                    self._mails.order_ended(received.event.order_id)
        except DATABASE_AWAY:
            raise
        except Exception as poison:  # noqa: BLE001 - input from outside; what is wrong with it is a dead letter elsewhere
            log.warning("skipped a message", topic=message.topic, offset=message.offset, error=repr(poison))


def _no_trace(_order_id: str) -> None:
    """An event without a trace has none in the estate's database either."""
