"""Composes the API from databases, Temporal, Kafka, Redis and the estate."""

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial

from temporalio.client import Client

from adapters.clock import utc_now
from adapters.in_flight_keys import RedisInFlightKeys
from adapters.page_sessions import RedisPageSessions
from adapters.sql.access import SqlActions, SqlApiKeys
from adapters.sql.order_traces import continuing
from api.dependencies import Dependencies, Probe, TemporalUi, Traces
from domain.order import OrderRequest, SagaStyle
from estate.api_ports import EstateAccounts, EstateVideos
from estate.database import open_estate
from estate.task_outbox import TaskOutbox
from estate.video_workflows import VideoWorkflows
from messaging.kafka.dead_letter_box import DeadLetterBox
from messaging.sql.database import Database
from messaging.sql.traces import trace_id_of
from processes import order_mails
from processes.api.consumers import ConsumerWatch
from processes.api.order_control import ChoreographedControl, OrchestratedControl
from processes.api.process_control import controls_in
from processes.api.saga_starter import Temporal, TemporalStarter
from processes.api.settlements import SettlementsByKafka
from processes.api.traced_services import traced_services
from processes.choreography.service import topics_read_by
from processes.kafka_bridge import routes
from runtime.kafka import CONSUMED_TOPICS, kafka_connection, kafka_security
from runtime.readiness import ask_kafka
from runtime.sealing import seals
from runtime.settings import Settings
from runtime.temporal import connect, repair_saga, start_saga
from runtime.wiring import Databases, audit_of, services_over
from services.names import SERVICES
from twinsaga_bridges.workflow_into_kafka import EventProducer


@asynccontextmanager
async def real_dependencies(settings: Settings) -> AsyncIterator[Dependencies]:
    """Nothing connects before its first use, so the API starts even if every other system is down."""
    databases = Databases.open(settings)
    keys, sessions = RedisInFlightKeys(settings.own_redis_url), RedisPageSessions(settings.own_redis_url)
    temporal = Temporal(partial(connect, settings))
    published = traced_services(services_over(databases, publish=True), SagaStyle.CHOREOGRAPHED)
    recorded = traced_services(services_over(databases, publish=False), SagaStyle.ORCHESTRATED)
    estate, estate_database = open_estate(settings)
    workflows = VideoWorkflows(settings)
    task_outbox = TaskOutbox(settings, estate, workflows.start)
    events = EventProducer(kafka_connection(settings).producer)
    consumers, stop = ConsumerWatch(kafka_connection(settings), groups_of(settings)), threading.Event()
    watching = threading.Thread(target=consumers.run, args=(stop,), name="consumers", daemon=True)
    watching.start()
    try:
        yield Dependencies(
            orders={SagaStyle.CHOREOGRAPHED: published.orders, SagaStyle.ORCHESTRATED: recorded.orders},
            payments=published.payments,
            inventory=published.inventory,
            shipping=published.shipping,
            seals=seals(settings),
            starter=TemporalStarter(temporal, partial(start_saga, settings=settings)),
            in_flight=keys,
            sessions=sessions,
            accounts=EstateAccounts(estate=estate, task_outbox=task_outbox),
            videos=EstateVideos(settings=settings, estate=estate, task_outbox=task_outbox, workflows=workflows),
            order_controls={
                SagaStyle.ORCHESTRATED: OrchestratedControl(
                    temporal=temporal, start_repair=partial(_start_repair, databases.orders, settings)
                ),
                SagaStyle.CHOREOGRAPHED: ChoreographedControl(services=published),
            },
            settlements=SettlementsByKafka(events),
            dead_letters=DeadLetterBox(kafka_connection(settings), CONSUMED_TOPICS),
            probes=[
                *database_probes(databases),
                database_probe("estate", estate_database),
                Probe("temporal", temporal.ask),
                Probe("kafka", partial(ask_kafka, settings.kafka_bootstrap, kafka_security(settings).tls())),
                Probe("consumers", consumers.ask),
                Probe("redis", keys.ping),
            ],
            audit=partial(audit_of, databases),
            temporal_ui=TemporalUi(
                address=str(settings.temporal_ui_url).rstrip("/"),
                namespace=settings.temporal_namespace,
                witnessed=settings.witness_enabled,
            ),
            traces=Traces(id_of=partial(trace_id_of, databases.orders), ui=settings.trace_ui),
            keys=SqlApiKeys(databases.orders, utc_now),
            actions=SqlActions(databases.orders),
            webhook_secrets=settings.webhook_secrets,
            page_key=_page_key(settings),
            requests_per_minute=settings.requests_per_minute,
            simulated_gateway=settings.environment == "development",
            controls=controls_in(settings),
        )
    finally:
        stop.set()
        await asyncio.to_thread(events.close)
        await keys.close()
        await sessions.close()
        databases.close()
        estate_database.close()


def _page_key(settings: Settings) -> str | None:
    """Return the key of the embedded stack. Elsewhere the page has none, although a command may have one."""
    embedded = settings.embedded_run_dir is not None and settings.environment == "development"
    return settings.api_key.get_secret_value() if embedded and settings.api_key else None


async def _start_repair(orders: Database, settings: Settings, client: Client, request: OrderRequest) -> None:
    with await asyncio.to_thread(continuing, orders, request.order_id, SagaStyle.ORCHESTRATED, "repair"):
        await repair_saga(client, request, settings)


def groups_of(settings: Settings) -> Mapping[str, Collection[str]]:
    """The topics of every consumer group."""
    return {
        **{name: topics_read_by(name) for name in SERVICES},
        routes.GROUP: routes.topics_read(settings),
        order_mails.GROUP: order_mails.TOPICS,
    }


def database_probes(databases: Databases) -> list[Probe]:
    names = ("orders", "payments", "inventory", "shipping", "gateway")
    return [database_probe(name, getattr(databases, name)) for name in names]


def database_probe(name: str, database: Database) -> Probe:
    def select_one() -> None:
        with database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")

    # In a thread, because the driver blocks: the probe's deadline then ends the wait, not the query.
    return Probe(f"{name} database", partial(asyncio.to_thread, select_one))
