"""What the saga worker adds to the end of a saga, so that the kept histories are those of production."""

from temporalio.worker import Interceptor

from workflows.order_end_told import HasEndTold
from workflows.order_ends import AtOrderEnd


def at_the_end() -> list[Interceptor]:
    return [AtOrderEnd(HasEndTold)]
