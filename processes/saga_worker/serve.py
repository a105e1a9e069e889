"""`twinsaga serve saga-worker`: runs the orchestrated sagas and their activities."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import uvloop
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.plugin import SimplePlugin
from temporalio.worker import Plugin, Worker, WorkerDeploymentConfig

from activities.inventory import InventoryActivities
from activities.orders import OrderActivities
from activities.outcome import OrderEndActivities, OrderEnds
from activities.payments import PaymentActivities
from activities.shipping import ShippingActivities
from estate.worker_plugins import estate_plugins
from processes.eager_start_socket import socket_in, starts_taken
from processes.saga_worker.outcome_publisher import OrderEndsAtOnce
from processes.saga_worker.start_sweep import sweep
from runtime.kafka import kafka_connection
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.stopping import leave_in_time, stop_event
from runtime.temporal import connect, runner_plugins, start_saga
from runtime.wiring import Services, open_services
from workflows.order_saga import OrderSaga
from workflows.outcome_interceptor import AtOrderEnd, HasEndTold

DEPLOYMENT = "order-sagas"
ACTIVITIES_AT_ONCE = 32
FINISH_IN_HAND = timedelta(seconds=8)
LEAVE_ANYWAY_S = 9.0
STICKY = timedelta(seconds=2)
"""So long Temporal waits for the worker that last had a saga. The API gives a cancel or a retry five seconds."""


def main(settings: Settings) -> None:
    """Run until SIGTERM; activities in hand get eight seconds to finish.

    Raises:
        CannotRun: Temporal does not answer.
    """
    stop = stop_event()
    leave_in_time(stop, LEAVE_ANYWAY_S)  # a broker that is away may hold up an order's end longer
    uvloop.run(_run(settings, stop))


async def _run(settings: Settings, stop: threading.Event) -> None:
    client = await connect(settings)
    services = open_services(settings, publish=False, pix_expiry=timedelta(seconds=settings.pix_expiry_seconds))
    with (
        contextlib.closing(services),
        contextlib.closing(OrderEndsAtOnce(kafka_connection(settings).producer)) as order_ends,
        ThreadPoolExecutor(ACTIVITIES_AT_ONCE, "activity") as threads,
        estate_plugins(settings) as estate,
    ):
        plugins = [*estate, order_ends_plugin(order_ends), *runner_plugins(settings)]
        deployment = deployment_of(settings.temporal_build_id)
        async with (
            saga_worker(client, settings.temporal_task_queue, services, threads, plugins, deployment),
            starts_taken(socket_of(settings), partial(start_saga, client, settings=settings, eager=True)),
        ):
            announce_ready(settings)
            await _sweep_until(stop, sweep(client, services.orders, settings))


def socket_of(settings: Settings) -> Path | None:
    """A worker that has a version takes no starts: which version begins an order is for Temporal to say."""
    return socket_in(settings.embedded_run_dir) if settings.temporal_build_id is None else None


async def _sweep_until(stop: threading.Event, sweeping: Coroutine[None, None, None]) -> None:
    """A sweep that fails ends the process: its supervisor starts it again, and the log says why."""
    tasks = {asyncio.create_task(sweeping), asyncio.create_task(asyncio.to_thread(stop.wait))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stop.set()  # a worker that fails cancels us, and the thread that waits would keep the process alive
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def order_ends_plugin(at_once: OrderEnds) -> SimplePlugin:
    """Whoever answers a saga's callers comes before it among the plugins: they may be away."""
    activities = [OrderEndActivities(at_once).have_told]
    return SimplePlugin("OrderEndsPlugin", activities=activities, interceptors=[AtOrderEnd(HasEndTold)])


def deployment_of(build_id: str | None) -> WorkerDeploymentConfig | None:
    """Make the worker a version of the deployment; without a build id it is what any other worker is.

    An order stays with the version that began it: it lives for 40 minutes at most, or until an operator has mended it.
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
    """A worker for the order saga, over services that do not publish."""
    orders, payments = OrderActivities(services.orders), PaymentActivities(services.payments)
    inventory, shipping = InventoryActivities(services.inventory), ShippingActivities(services.shipping)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[OrderSaga],
        activities=[
            orders.create,
            orders.confirm,
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
        ],
        plugins=plugins,
        deployment_config=deployment,
        activity_executor=threads,
        max_concurrent_activities=ACTIVITIES_AT_ONCE,
        max_concurrent_local_activities=ACTIVITIES_AT_ONCE,
        graceful_shutdown_timeout=FINISH_IN_HAND,
        max_workflow_task_external_storage_concurrency=1,  # no payload is: more makes a task of each, for nothing
        sticky_queue_schedule_to_start_timeout=STICKY,
    )
