from typing import Protocol

from temporalio import activity

from domain.ids import OrderId


class OrderMails(Protocol):
    def order_ended(self, order_id: OrderId) -> None:
        """Promise the customer a mail, once for each order; one who is not known gets none. Raises Fault."""
        ...


class OrderMailActivities:
    def __init__(self, mails: OrderMails) -> None:
        self._mails = mails

    @activity.defn(name="mail_order_end")
    def order_ended(self, order_id: OrderId) -> None:
        self._mails.order_ended(order_id)
