"""`twinsaga serve kafka-bridge`: brings Kafka's events into workflows, and runs choreographed orders' witnesses."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import partial

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.cancellation_requests import CancellationRequestActivities
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.dead_letters import DeadLetters
from adapters.kafka.incoming import IncomingMessage
from adapters.kafka.topics import TOPICS
from bridges.kafka_into_workflow import KafkaIntoWorkflow, KafkaRecord, cloud_events
from bridges.workflow_into_kafka import KafkaPublishing, OutgoingEvent
from domain.ids import OrderId, event_id_of
from domain.order import Reason
from runtime.api_wiring import conductors_over
from runtime.bridge_routes import ESTATE_TOPICS, WITNESS_QUEUE, EstateRoutes, witness_routes
from runtime.readiness import announce_ready
from runtime.saga_starter import Temporal
from runtime.settings import Settings
from runtime.stopping import stop_event
from runtime.temporal import connect
from runtime.wiring import Databases, services_over
from workflows.choreography_witness import ChoreographyWitness

GROUP = "kafka-bridge"
PUBLISHING_AT_ONCE = 4
CANCELLATION_REQUESTED = "order.cancellation_requested"

log = structlog.get_logger(__name__)


class CancellationByEvent:
    def __init__(self, publishing: KafkaPublishing) -> None:
        self._publishing = publishing

    def ask(self, order_id: OrderId) -> None:
        self._publishing.publish(
            OutgoingEvent(
                topic="orders",
                key=order_id,
                type=CANCELLATION_REQUESTED,
                source="/twinsaga/witness",
                data={"order_id": order_id, "reason": Reason.TIMED_OUT, "type": CANCELLATION_REQUESTED},
                id=event_id_of(order_id, CANCELLATION_REQUESTED),
            )
        )


class Burial:
    """The services bury what is wrong on their own topics. The witness only misses it, or comes too late for it."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters
        self._one_at_a_time = threading.Lock()

    def bury(self, record: KafkaRecord, why: Exception) -> None:
        if record.topic in TOPICS:
            log.info("not witnessed", topic=record.topic, offset=record.offset, why=str(why))
            return
        message = IncomingMessage(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp_ms,
            key=record.key,
            value=record.value,
            headers=tuple((name, value or b"") for name, value in record.headers),
        )
        with self._one_at_a_time:
            self._dead_letters.bury(message, why, attempts=1)


def main(settings: Settings) -> None:
    """Run until SIGTERM; what is in hand gets five seconds.

    Raises:
        CannotRun: Temporal does not answer.
    """
    asyncio.run(_run(settings, stop_event()))


async def _run(settings: Settings, stop: threading.Event) -> None:
    client = await connect(settings)
    connection = KafkaConnection(
        bootstrap=settings.kafka_bootstrap,
        session_timeout_ms=settings.session_timeout_ms,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
    )
    with closing(Databases.open(settings)) as databases, closing(DeadLetters(connection, GROUP)) as dead_letters:
        published, recorded = services_over(databases, publish=True), services_over(databases, publish=False)
        conductors = conductors_over(published, recorded, Temporal(partial(connect, settings)))
        routes = EstateRoutes(settings=settings, services=recorded, conductors=conductors).table()
        topics = dict(ESTATE_TOPICS)
        if settings.witness_enabled:
            topics |= dict.fromkeys(TOPICS, cloud_events)
            routes = {**routes, **witness_routes(settings.witness_silence_seconds)}
        bridge = KafkaIntoWorkflow(
            client, topics, routes, partial(connection.consumer, GROUP), Burial(dead_letters).bury
        )
        async with _witnesses(client, connection):
            announce_ready(settings)  # no order waits for the group, which may take its time
            await bridge.run(stop, threading.Event())


@asynccontextmanager
async def _witnesses(client: Client, connection: KafkaConnection) -> AsyncIterator[None]:
    """They run although the setting is off: those that were begun before have to end."""
    with closing(KafkaPublishing(connection.producer)) as publishing, ThreadPoolExecutor(PUBLISHING_AT_ONCE) as threads:
        requests = CancellationRequestActivities(CancellationByEvent(publishing))
        async with Worker(
            client,
            task_queue=WITNESS_QUEUE,
            workflows=[ChoreographyWitness],
            activities=[requests.request],
            activity_executor=threads,
            max_concurrent_activities=PUBLISHING_AT_ONCE,
        ):
            yield
