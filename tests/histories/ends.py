"""What the saga worker adds to the end of a saga, so that the kept histories are those of production."""

from temporalio.plugin import SimplePlugin
from temporalio.worker import Interceptor

from activities.order_ends import have_order_end_told
from activities.order_mails import OrderMailActivities
from domain.ids import OrderId
from workflows.order_end_mails import MailsOrderEnd
from workflows.order_end_told import HasEndTold
from workflows.order_ends import AtOrderEnd


class NobodyToTell:
    def order_ended(self, order_id: OrderId) -> None:
        """The customers of these orders have no account."""


def at_the_end() -> list[Interceptor]:
    return [AtOrderEnd(MailsOrderEnd), AtOrderEnd(HasEndTold)]


def ends_plugin() -> SimplePlugin:
    mails = OrderMailActivities(NobodyToTell())
    return SimplePlugin(
        "OrderEndsPlugin", activities=[mails.order_ended, have_order_end_told], interceptors=at_the_end()
    )
