"""`twinsaga serve order-mails`: mails customers when their orders end, in both styles."""

import threading

from adapters.clock import utc_now
from estate.database import open_estate
from estate.order_mails import MissedOrderMails, OrderMailDelivery, OrderMails
from estate.task_outbox import TaskOutbox
from messaging.kafka.group_consumer import GroupMember
from messaging.kafka.lag import GroupLag
from messaging.kafka.message import condemned
from messaging.kafka.scraped_metrics import ScrapedMetrics, consumer_source
from runtime.kafka import kafka_connection
from runtime.metrics import metrics_served
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import stop_event
from runtime.tracing import traces
from runtime.wiring import open_services
from services.estate.records import QueuedTask
from services.names import SAGA_OUTCOMES
from twinsaga_bridges.kafka.isolation import AttemptsFolder, Isolation

GROUP = "order-mails"
TOPICS = ("orders", SAGA_OUTCOMES)


def main(settings: Settings) -> None:
    """Run until SIGTERM. The messages in progress are finished and committed."""
    with traces("order-mails"):
        _run(settings)


def _run(settings: Settings) -> None:
    stop, joined = stop_event(), threading.Event()
    estate, database = open_estate(settings)
    services = open_services(settings, publish=False)
    connection = kafka_connection(settings)
    mails = OrderMails(
        orders=services.orders, estate=estate, task_outbox=TaskOutbox(settings, estate, _start_no_workflow)
    )
    announce_ready(settings)  # before the group has joined: no other process depends on the mails
    try:
        MissedOrderMails(mails, utc_now).add(stop)
        isolation = Isolation(AttemptsFolder(settings.attempts_dir / GROUP), condemned)
        lag = consumer_source(GROUP, GroupLag(connection, GROUP, TOPICS))
        with metrics_served(settings, ScrapedMetrics(GROUP, [lag])):
            GroupMember(connection, GROUP, TOPICS, OrderMailDelivery(mails), isolation=isolation).run(stop, joined)
    finally:
        services.close()
        database.close()


def _start_no_workflow(task: QueuedTask) -> None:
    # Mails are Celery tasks, so this process does not load Temporal's client.
    raise NotImplementedError(task.task)
