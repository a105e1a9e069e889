"""What the saga worker adds to the end of a saga, so that the kept histories are those of production."""

from temporalio.plugin import SimplePlugin
from temporalio.worker import Interceptor

from activities.order_ends import OrderEndActivities, OrderEnds
from activities.order_mails import OrderMailActivities
from domain.ids import OrderId
from domain.order import OrderOutcome
from workflows.order_end_mails import MailsOrderEnd
from workflows.order_end_told import HasEndTold
from workflows.order_ends import AtOrderEnd


class NobodyToTell:
    def order_ended(self, order_id: OrderId) -> None:
        """The customers of these orders have no account."""


class KafkaIsAway:
    async def tell(self, outcome: OrderOutcome) -> bool:  # noqa: ARG002 - the protocol's
        return False


def at_the_end() -> list[Interceptor]:
    return [AtOrderEnd(MailsOrderEnd), AtOrderEnd(HasEndTold)]


def ends_plugin(at_once: OrderEnds | None = None) -> SimplePlugin:
    mails, ends = OrderMailActivities(NobodyToTell()), OrderEndActivities(at_once or KafkaIsAway())
    return SimplePlugin("OrderEndsPlugin", activities=[mails.order_ended, ends.have_told], interceptors=at_the_end())
