from typing import Protocol

from temporalio import activity

from domain.ids import OrderId


class CancellationRequests(Protocol):
    def ask(self, order_id: OrderId) -> None:
        """Ask the services to cancel the order. Repeatable.

        Any exception is a fault: Temporal retries the activity.
        """
        ...


class CancellationRequestActivities:
    def __init__(self, requests: CancellationRequests) -> None:
        self._requests = requests

    @activity.defn(name="request_cancellation")
    def request(self, order_id: OrderId) -> None:
        self._requests.ask(order_id)
