"""`twinsaga serve kafka-bridge`: sends Kafka events to workflows, and runs the witnesses of choreographed orders."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import partial

import structlog
from temporalio.client import Client
from temporalio.worker import Plugin, Worker

from activities.cancellation_requests import CancellationRequestActivities
from domain.commands import RequestCancellation
from domain.errors import UnknownOrder
from domain.ids import OrderId
from domain.order import Reason
from messaging.errors import Fault
from messaging.kafka.lag import GroupLag
from messaging.kafka.scraped_metrics import ScrapedMetrics, consumer_source
from messaging.kafka.topics import is_dead_letters
from messaging.metrics import count_dead_letter
from processes.kafka_bridge.event_spans import delivering
from processes.kafka_bridge.routes import GROUP, WITNESS_QUEUE, EstateRoutes, topics_read, witness_routes
from runtime.kafka import kafka_connection
from runtime.metrics import metrics_served
from runtime.readiness import announce_ready
from runtime.sealing import seals
from runtime.settings import Settings
from runtime.stopping import leave_in_time, stop_event
from runtime.temporal import connect, runner_plugins
from runtime.temporal_metrics import TemporalMetrics
from runtime.tracing import traces
from runtime.wiring import Databases, services_over
from services.orders.service import OrderService
from services.vocabulary import SETTLEMENTS, TOPICS
from twinsaga_bridges.kafka_into_workflow import (
    AttemptsFolder,
    DeadLetterTopic,
    KafkaIntoWorkflow,
    KafkaRecord,
    Unreadable,
)
from workflows.choreography_witness import ChoreographyWitness

MAX_REQUESTS = 4
EXIT_DEADLINE_S = 9.0

log = structlog.get_logger(__name__)


class CancellationByOrderService:
    """`orders` publishes its events. A cancellation of an order that does not exist would leave tombstones for it."""

    def __init__(self, orders: OrderService) -> None:
        self._orders = orders

    def ask(self, order_id: OrderId) -> None:
        try:
            self._orders.request_cancellation(RequestCancellation(order_id=order_id, reason=Reason.TIMED_OUT))
        except UnknownOrder:
            log.warning("no such order to cancel", order_id=order_id)


class Burial:
    """Buries bad records, except those that a service buries: of the services' topics, and invalid settlements."""

    def __init__(self, dead_letters: DeadLetterTopic) -> None:
        self._dead_letters = dead_letters

    def __call__(self, record: KafkaRecord, why: Exception) -> None:
        of_services = record.topic in TOPICS or is_dead_letters(record.topic)
        if of_services or (record.topic == SETTLEMENTS and isinstance(why, Unreadable)):
            log.info("left to the services", topic=record.topic, offset=record.offset, why=str(why))
            return
        count_dead_letter(GROUP, record.topic, why)
        self._dead_letters(record, why)


def main(settings: Settings) -> None:
    """Run until SIGTERM; current messages get five seconds. Raises CannotRun: Temporal does not answer."""
    stop = stop_event()
    leave_in_time(stop, EXIT_DEADLINE_S)  # commits and events may wait longer for an unreachable broker
    with traces("kafka-bridge", runs_workflows=True):
        asyncio.run(_run(settings, stop))


async def _run(settings: Settings, stop: threading.Event) -> None:
    temporal = TemporalMetrics(settings)
    client = await connect(settings, temporal.runtime)
    connection = kafka_connection(settings)
    lag = consumer_source(GROUP, GroupLag(connection, GROUP, topics_read(settings)))
    dead_letters = DeadLetterTopic(connection.producer, group=GROUP)
    with (
        metrics_served(settings, temporal, ScrapedMetrics(GROUP, [lag])),
        closing(Databases.open(settings)) as databases,
        closing(dead_letters),
    ):
        services = services_over(databases, publish=False)
        routes = EstateRoutes(settings=settings, services=services, seals=seals(settings)).table()
        if settings.witness_enabled:
            routes = {**routes, **witness_routes(services.orders, settings.witness_silence_seconds)}
        bridge = KafkaIntoWorkflow(
            client,
            topics_read(settings),
            routes,
            connect=partial(connection.consumer, GROUP),
            bury=Burial(dead_letters),
            away=[Fault],
            attempts=AttemptsFolder(settings.attempts_dir / GROUP),
            trace=delivering,
        )
        runner = runner_plugins(settings)
        async with _witnesses(client, services_over(databases, publish=True).orders, runner):
            announce_ready(settings)  # before joining the group, which may take long, and which no order waits for
            await bridge.run(stop)


@asynccontextmanager
async def _witnesses(client: Client, orders: OrderService, runner: Sequence[Plugin]) -> AsyncIterator[None]:
    """Runs even if witnesses are disabled, so that those started before can end."""
    with ThreadPoolExecutor(MAX_REQUESTS) as threads:
        requests = CancellationRequestActivities(CancellationByOrderService(orders))
        async with Worker(
            client,
            task_queue=WITNESS_QUEUE,
            workflows=[ChoreographyWitness],
            activities=[requests.request],
            plugins=runner,
            activity_executor=threads,
            max_concurrent_activities=MAX_REQUESTS,
        ):
            yield
