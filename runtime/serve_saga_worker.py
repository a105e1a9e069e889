"""`twinsaga serve saga-worker`: runs the orchestrated sagas and their activities."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.inventory import InventoryActivities
from activities.orders import OrderActivities
from activities.payments import PaymentActivities
from activities.shipping import ShippingActivities
from runtime.readiness import announce_ready
from runtime.settings import Settings
from runtime.start_sweep import sweep
from runtime.stopping import stop_event
from runtime.temporal import connect
from runtime.wiring import Services, open_services
from workflows.order_saga import OrderSaga

ACTIVITIES_AT_ONCE = 32
FINISH_IN_HAND = timedelta(seconds=8)


def main(settings: Settings) -> None:
    """Run until SIGTERM; activities in hand get eight seconds to finish.

    Raises:
        CannotRun: Temporal does not answer.
    """
    asyncio.run(_run(settings, stop_event()))


async def _run(settings: Settings, stop: threading.Event) -> None:
    client = await connect(settings)
    services = open_services(settings, publish=False)
    with contextlib.closing(services), ThreadPoolExecutor(ACTIVITIES_AT_ONCE, "activity") as threads:
        sweeping = asyncio.create_task(sweep(client, services.orders, settings))
        async with saga_worker(client, settings.temporal_task_queue, services, threads):
            announce_ready(settings)
            await asyncio.to_thread(stop.wait)
            sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


def saga_worker(client: Client, task_queue: str, services: Services, threads: ThreadPoolExecutor) -> Worker:
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
        activity_executor=threads,
        max_concurrent_activities=ACTIVITIES_AT_ONCE,
        max_concurrent_local_activities=ACTIVITIES_AT_ONCE,
        graceful_shutdown_timeout=FINISH_IN_HAND,
    )
