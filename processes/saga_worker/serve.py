"""`twinsaga serve saga-worker`: runs the orchestrated sagas and their activities."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import uvloop
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.plugin import SimplePlugin
from temporalio.worker import Plugin, Worker, WorkerDeploymentConfig

from activities.inventory import InventoryActivities
from activities.orders import OrderActivities
from activities.payments import PaymentActivities
from activities.shipping import ShippingActivities
from domain.order import SagaStyle
from estate.app import celery_app
from estate.schedules import make_schedules
from processes.saga_worker.sweep import sweep
from processes.step_metrics import measured_services
from runtime.kafka import kafka_connection
from runtime.metrics import metrics_served
from runtime.readiness import announce_ready
from runtime.sealing import seals
from runtime.settings import Settings
from runtime.stopping import leave_in_time, stop_event
from runtime.temporal import connect, runner_plugins
from runtime.temporal_metrics import TemporalMetrics
from runtime.tracing import traces
from runtime.wiring import Services, open_services
from twinsaga_bridges.celery_into_workflow import CeleryCallersPlugin
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims
from twinsaga_bridges.workflow_into_kafka import EventProducer, KafkaPublishing, KafkaPublishingPlugin
from workflows.order_saga import PUBLISH_OUTCOME, OrderSaga
from workflows.process_video import ProcessVideo
from workflows.scheduled_task import RunScheduledTask

DEPLOYMENT = "order-sagas"
ACTIVITIES_AT_ONCE = 32
FINISH_IN_HAND = timedelta(seconds=8)
LEAVE_ANYWAY_S = 9.0
STICKY = timedelta(seconds=2)
"""How long Temporal waits for the worker that last ran a saga before it offers the task to the others. Less than the
five seconds that the API gives a cancel or a retry."""


def main(settings: Settings) -> None:
    """Run until SIGTERM; running activities get eight seconds to finish. Raises CannotRun: Temporal does not answer."""
    stop = stop_event()
    leave_in_time(stop, LEAVE_ANYWAY_S)  # kafka-python may block a thread for longer while the broker is away
    with traces("saga-worker", runs_workflows=True):
        uvloop.run(_run(settings, stop))


async def _run(settings: Settings, stop: threading.Event) -> None:
    temporal = TemporalMetrics(settings)
    client = await connect(settings, temporal.runtime)
    expiry = timedelta(seconds=settings.pix_expiry_seconds)
    services = open_services(settings, publish=False, pix_expiry=expiry, seals=seals(settings))
    with (
        metrics_served(settings, temporal),
        contextlib.closing(services),
        contextlib.closing(KafkaPublishing(EventProducer(kafka_connection(settings).producer))) as publishing,
        ThreadPoolExecutor(ACTIVITIES_AT_ONCE, "activity") as threads,
        contextlib.closing(celery_app(settings)) as celery,
    ):
        plugins = [
            outcomes_plugin(publishing),
            SimplePlugin("EstatePlugin", workflows=[ProcessVideo, RunScheduledTask]),
            CeleryCallersPlugin(celery),
            CeleryTasksPlugin(celery, TaskClaims.at(settings.own_redis_url)),
            *runner_plugins(settings),
        ]
        deployment = deployment_of(settings.temporal_build_id)
        measured = measured_services(services, SagaStyle.ORCHESTRATED)
        async with saga_worker(client, settings.temporal_task_queue, measured, threads, plugins, deployment):
            announce_ready(settings)
            making = asyncio.create_task(make_schedules(client, settings))
            try:
                await _sweep_until(stop, sweep(client, services, settings))
            finally:
                making.cancel()
                await asyncio.gather(making, return_exceptions=True)


async def _sweep_until(stop: threading.Event, sweeping: Coroutine[None, None, None]) -> None:
    """Run the sweep until SIGTERM. If it fails, the process ends and its supervisor restarts it."""
    tasks = {asyncio.create_task(sweeping), asyncio.create_task(asyncio.to_thread(stop.wait))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stop.set()  # also when a failing worker cancels us: the waiting thread would keep the process alive
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def outcomes_plugin(publishing: KafkaPublishing) -> KafkaPublishingPlugin:
    """Put it first: behind CeleryCallersPlugin, the callers of an order would wait for Kafka."""
    return KafkaPublishingPlugin(publishing, activity=PUBLISH_OUTCOME)


def deployment_of(build_id: str | None) -> WorkerDeploymentConfig | None:
    """Make the worker a version of the deployment, or an unversioned worker if there is no build id.

    An order stays with the version that began it: it is decided within 40 minutes, or waits for an operator.
    """
    if build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


def saga_worker(
    client: Client,
    task_queue: str,
    services: Services,
    threads: ThreadPoolExecutor,
    plugins: Sequence[Plugin] = (),
    deployment: WorkerDeploymentConfig | None = None,
) -> Worker:
    """A worker for the order saga. `plugins` must contain `outcomes_plugin`, by which the saga publishes.

    The services must not publish: the choreography would react to their events.
    """
    orders, payments = OrderActivities(services.orders), PaymentActivities(services.payments)
    inventory, shipping = InventoryActivities(services.inventory), ShippingActivities(services.shipping)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[OrderSaga],
        activities=[
            orders.create,
            orders.confirm,
            orders.begin_cancellation,
            orders.cancel,
            orders.show_attention,
            payments.charge,
            payments.settle,
            payments.abort,
            payments.refund,
            inventory.reserve,
            inventory.sell,
            inventory.release,
            shipping.schedule,
            shipping.cancel,
            shipping.withdraw,
        ],
        plugins=plugins,
        deployment_config=deployment,
        activity_executor=threads,
        max_concurrent_activities=ACTIVITIES_AT_ONCE,
        max_concurrent_local_activities=ACTIVITIES_AT_ONCE,
        graceful_shutdown_timeout=FINISH_IN_HAND,
        max_workflow_task_external_storage_concurrency=1,  # unused; above 1 the SDK makes a task per payload
        sticky_queue_schedule_to_start_timeout=STICKY,
    )
