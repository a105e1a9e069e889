"""Each service of the choreography exposes metrics, at the address in the ready file."""

from tests.support.metrics import Scraped
from tests.support.stack import Stack

SERVICES = {"order-service", "payment-service", "inventory-service", "shipping-service"}
MEASURES = ("twinsaga_consumer_lag", "twinsaga_parked_messages", "twinsaga_outbox_age_seconds")


def await_idle(stack: Stack, name: str) -> None:
    """Nothing of the service is behind, parked or waiting."""
    scraped = Scraped(stack.ready["metrics"][name])
    for measure in MEASURES:
        scraped.await_value(measure, lambda value: value == 0, "0", service=name)


def test_every_service_tells_its_metrics_and_tells_them_again_after_a_restart(stack: Stack) -> None:
    addresses = stack.ready["metrics"]
    assert addresses.keys() == SERVICES
    for name in SERVICES:
        await_idle(stack, name)

    stack.kill("shipping-service")

    assert stack.ready["metrics"] == addresses
    await_idle(stack, "shipping-service")
