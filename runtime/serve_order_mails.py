"""`twinsaga serve order-mails`: writes to customers when their orders are at their end, in both styles."""

import threading

from adapters.kafka.consumer import GroupMember
from runtime.estate.database import open_estate
from runtime.estate.handing_over import HandingOver
from runtime.estate.order_mails import EstateOrderMails, MailingOrderEnds, MissedOrderEnds
from runtime.kafka import kafka_connection
from runtime.order_end_event import SAGA_OUTCOMES
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import stop_event
from runtime.wiring import open_services, utc_now
from services.estate.records import QueuedTask

GROUP = "order-mails"
TOPICS = ("orders", SAGA_OUTCOMES)


def main(settings: Settings) -> None:
    """Run until SIGTERM; what is in hand is finished and committed."""
    stop, joined = stop_event(), threading.Event()
    estate, database = open_estate(settings)
    services = open_services(settings, publish=False)
    connection = kafka_connection(settings)
    handing_over = HandingOver(settings, estate, _no_workflow)
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
