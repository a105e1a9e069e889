"""What a service of the choreography shows Prometheus at each scrape, beside what it counts."""

from collections.abc import Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily

from adapters.clock import utc_now
from domain.order import OrderStatus, SagaStyle
from messaging.kafka.lag import GroupLag
from messaging.kafka.scraped_metrics import ScrapedMetrics, Source, consumer_source, waiting_in
from messaging.sql.consuming import ConsumingService
from messaging.sql.faults import DATABASE_AWAY
from messaging.unit_of_work import Clock
from services.names import ORDER_SERVICE
from services.orders.service import OrderService

UNFINISHED = (OrderStatus.PENDING, OrderStatus.NEEDS_ATTENTION)


def service_metrics(consuming: ConsumingService[Any], lag: GroupLag, clock: Clock = utc_now) -> ScrapedMetrics:
    def measure() -> Sequence[GaugeMetricFamily]:
        waiting = waiting_in(consuming, clock)
        if consuming.name != ORDER_SERVICE:
            return waiting
        return [*waiting, *_unfinished(consuming.service_for(None), clock)]

    return ScrapedMetrics(
        consuming.name, [Source("database", DATABASE_AWAY, measure), consumer_source(consuming.name, lag)]
    )


def _unfinished(orders: OrderService, clock: Clock) -> Sequence[GaugeMetricFamily]:
    """Orders of both styles. Those that have ended are only counted as they end: their number grows for ever."""
    count = GaugeMetricFamily(
        "twinsaga_orders_unfinished", "Orders that are neither confirmed nor cancelled", labels=["style", "status"]
    )
    overdue = GaugeMetricFamily("twinsaga_orders_overdue", "Orders pending past their deadline", labels=["style"])
    oldest = GaugeMetricFamily(
        "twinsaga_oldest_unfinished_order_seconds", "Age of the oldest unfinished order", labels=["style", "status"]
    )
    found, now = orders.count_unfinished(), clock()
    for style in SagaStyle:
        overdue.add_metric([style.value], sum(each.overdue for each in found if each.style is style))
        for status in UNFINISHED:
            alike = [each for each in found if (each.style, each.status) == (style, status)]
            count.add_metric([style.value, status.value], sum(each.count for each in alike))
            ages = [(now - each.oldest_placed_at).total_seconds() for each in alike]
            oldest.add_metric([style.value, status.value], max(0.0, *ages, 0.0))
    return count, overdue, oldest
