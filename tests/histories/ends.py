"""What the saga worker adds to the end of a saga, so that the kept histories are those of production."""

from temporalio.plugin import SimplePlugin
from temporalio.worker import Interceptor

from activities.outcome import OrderEndActivities, OrderEnds
from domain.order import OrderOutcome
from workflows.outcome_interceptor import AtOrderEnd, HasEndTold


class KafkaIsAway:
    async def tell(self, outcome: OrderOutcome) -> bool:  # noqa: ARG002 - the protocol's
        return False


def at_the_end() -> list[Interceptor]:
    return [AtOrderEnd(HasEndTold)]


def ends_plugin(at_once: OrderEnds | None = None) -> SimplePlugin:
    activities = [OrderEndActivities(at_once or KafkaIsAway()).have_told]
    return SimplePlugin("OrderEndsPlugin", activities=activities, interceptors=at_the_end())
