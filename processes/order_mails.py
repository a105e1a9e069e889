"""`twinsaga serve order-mails`: writes to customers when their orders are at their end, in both styles."""

import threading

from adapters.clock import utc_now
from adapters.kafka.group_consumer import GroupMember
from estate.database import open_estate
from estate.order_mails import EstateOrderMails, MailingOrderEnds, MissedOrderEnds
from estate.task_outbox import TaskOutbox
from runtime.kafka import kafka_connection
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import stop_event
from runtime.wiring import open_services
from services.estate.records import QueuedTask
from workflows.order_saga import SAGA_OUTCOMES

GROUP = "order-mails"
TOPICS = ("orders", SAGA_OUTCOMES)


def main(settings: Settings) -> None:
    """Run until SIGTERM; what is in hand is finished and committed."""
    stop, joined = stop_event(), threading.Event()
    estate, database = open_estate(settings)
    services = open_services(settings, publish=False)
    connection = kafka_connection(settings)
    handing_over = TaskOutbox(settings, estate, _no_workflow)
    mails = EstateOrderMails(orders=services.orders, estate=estate, handing_over=handing_over)
    announce_ready(settings)  # nothing waits for its mails: the group may take its time
    try:
        MissedOrderEnds(mails, utc_now).promise_mails(stop)
        GroupMember(connection, GROUP, TOPICS, MailingOrderEnds(mails)).run(stop, joined)
    finally:
        services.close()
        database.close()


def _no_workflow(task: QueuedTask) -> None:
    """Mails are tasks: what would start workflows need not be imported."""
    raise NotImplementedError(task.task)
