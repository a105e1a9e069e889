"""Tells customers how their orders ended, in both styles: for an activity, and for a consumer of the orders topic."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import structlog

from adapters.codec import UndecodableEvent, UnknownEventType
from adapters.kafka.cloudevents import NotACloudEvent, from_message, type_header
from adapters.kafka.incoming import IncomingMessage
from adapters.sql.estate import Estate
from domain.errors import UnknownOrder
from domain.events import OrderCancelled, OrderConfirmed
from domain.ids import OrderId
from domain.order import OrderStatus
from runtime.estate.handing_over import HandingOver
from services.estate.mails import order_ended
from services.orders.service import OrderService

log = structlog.get_logger(__name__)

ENDS = (OrderStatus.CONFIRMED, OrderStatus.CANCELLED)
END_TYPES = ("order.confirmed", "order.cancelled")
POISON = (NotACloudEvent, UndecodableEvent, UnknownEventType)
LOOK_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateOrderMails:
    """The customer id of an order is the id of a user; who has ordered without an account gets no mail."""

    orders: OrderService
    estate: Estate
    handing_over: HandingOver

    def order_ended(self, order_id: OrderId) -> None:
        try:
            order = self.orders.find(order_id)
        except UnknownOrder:
            return
        user = self.estate.user(order.request.customer_id)
        if user is None or order.status not in ENDS:
            return
        mail = order_ended(user, order_id, order.reason)
        if self.estate.promise(mail):
            self.handing_over.right_after_commit(mail)


class MailingOrderEnds:
    """What a group member asks of its deliveries. A mail is promised once, so that no inbox is needed."""

    seconds_until_next = LOOK_S

    def __init__(self, mails: EstateOrderMails) -> None:
        self._mails = mails

    def decide(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        """Raises DatabaseFault: the same message has to come again. What cannot be read the order service buries."""
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
