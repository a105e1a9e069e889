"""Prometheus metrics that a process counts while it works, in the client library's own registry.

A label has few values, all from our code: never an order id, a name, an address or anything else from outside.
"""

from prometheus_client import Histogram

from services.orders.store import OrderRecord

STEP_SECONDS = Histogram(
    "twinsaga_step_seconds",
    "Duration of one attempt of a step or a compensation, by outcome: done, refused or fault",
    ["style", "step", "outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
SAGA_SECONDS = Histogram(
    "twinsaga_saga_seconds",
    "Time from placing an order to its end, by outcome: confirmed or cancelled",
    ["style", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0),
)


def count_finished(record: OrderRecord) -> None:
    """Call it once for each order that ends, after the commit."""
    if record.finished_at is not None:
        seconds = (record.finished_at - record.placed_at).total_seconds()
        SAGA_SECONDS.labels(record.style.value, record.status.value).observe(seconds)
