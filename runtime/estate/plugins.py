"""What the saga worker gets of the estate: the bridges to Celery, the video workflow, the mails at an order's end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from temporalio.plugin import SimplePlugin
from temporalio.worker import Plugin

from activities.order_mails import OrderMailActivities
from bridges.celery_into_workflow import CeleryCallersPlugin
from bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims
from runtime.estate.app import celery_app
from runtime.estate.database import open_estate
from runtime.estate.handing_over import HandingOver
from runtime.estate.order_mails import EstateOrderMails
from runtime.estate.video_workflow import ProcessVideo
from runtime.estate.workflows import VideoWorkflows
from runtime.settings import Settings
from services.orders.service import OrderService
from workflows.order_end_mails import MailsOrderEnd
from workflows.order_ends import AtOrderEnd


@contextmanager
def estate_plugins(settings: Settings, orders: OrderService) -> Iterator[Sequence[Plugin]]:
    app = celery_app(settings)
    estate, database = open_estate(settings)
    handing_over = HandingOver(settings, estate, VideoWorkflows(settings).start)
    mails = OrderMailActivities(EstateOrderMails(orders=orders, estate=estate, handing_over=handing_over))
    own = SimplePlugin(
        "EstatePlugin",
        workflows=[ProcessVideo],
        activities=[mails.order_ended],
        # The mails come first: whoever waits for a saga is answered before its customer is written to.
        interceptors=[AtOrderEnd(MailsOrderEnd)],
    )
    try:
        yield [own, CeleryCallersPlugin(app), CeleryTasksPlugin(app, TaskClaims.at(settings.own_redis_url))]
    finally:
        database.close()
        app.close()
