"""The real services on SQLite behind the order saga, on a Temporal server for tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import text
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Plugin, WorkerDeploymentConfig

from domain.commands import PlaceOrder
from domain.ids import OrderId, Sku
from domain.order import Card, OrderOutcome, OrderStatus, PaymentMethod, SagaStyle, Step
from messaging.sql.database import Database
from processes.saga_worker.serve import ACTIVITIES_AT_ONCE, saga_worker
from runtime.settings import Settings
from runtime.temporal import start_saga
from runtime.wiring import Databases, Services, audit_of, services_over
from sagas.status import SAGA_STATUS, StepProgress
from tests.histories.outcomes import outcomes_into
from tests.support.at_steps import AtSteps
from tests.support.examples import BOOK, LAMP, PRICE, a_request, address
from tests.support.service_databases import Urls
from tests.support.temporal_servers import create_search_attributes
from twinsaga_bridges.testing.kafka import RecordedEvents
from twinsaga_bridges.workflow_into_kafka import EventProducer
from workflows.order_saga import OrderSaga

DEADLINE_S = 60.0
LONGEST_PAUSE_S = 0.1
IN_STOCK = 10

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Poll `look` and return its first result that is neither None nor False.

    The pause grows: many sagas that are polled side by side must leave the processor to the server.
    """
    pause_s = 0.01
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = await look()
                if found is not None and found is not False:
                    return found
                await asyncio.sleep(pause_s)
                pause_s = min(1.2 * pause_s, LONGEST_PAUSE_S)
    except TimeoutError:
        message = f"not within {DEADLINE_S:.0f} s: {what}"
        raise AssertionError(message) from None


@dataclass(frozen=True)
class Saga:
    order_id: OrderId
    handle: WorkflowHandle[OrderSaga, OrderOutcome]

    async def outcome(self) -> OrderOutcome:
        """Wait for the close; the test server skips timers meanwhile."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.handle.result()

    async def progress(self) -> dict[Step, StepProgress[Step]]:
        return {step.step: step for step in await self.handle.query(OrderSaga.progress)}

    async def await_progress(self, step: Step, wanted: str) -> StepProgress[Step]:
        async def look() -> StepProgress[Step] | None:
            found = (await self.progress()).get(step)
            return found if found is not None and found.progress == wanted else None

        return await eventually(look, f"{step} is {wanted}")

    async def await_search_attribute(self, key: SearchAttributeKey[str], wanted: str) -> None:
        async def look() -> bool:
            return (await self.handle.describe()).typed_search_attributes.get(key) == wanted

        await eventually(look, f"{key.name} is {wanted}")

    async def await_attention(self) -> None:
        """Wait until an operator can see that the saga needs one."""
        await self.await_search_attribute(SAGA_STATUS, OrderStatus.NEEDS_ATTENTION)

    async def current_details(self) -> str:
        """Return the Markdown that the Temporal UI shows of a saga under way."""
        metadata: WorkflowMetadata = await self.handle.query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        return metadata.current_details

    async def took(self) -> timedelta:
        shown = await self.handle.describe()
        assert shown.close_time is not None
        return shown.close_time - shown.start_time

    async def event_count(self, kind: "EventType.ValueType") -> int:
        return sum([event.event_type == kind async for event in self.handle.fetch_history_events()])


@dataclass
class SagaShop:
    environment: WorkflowEnvironment
    services: Services
    at_steps: AtSteps
    clock: Callable[[], datetime]
    task_queue: str = field(default_factory=lambda: f"order-sagas-{uuid4()}")
    outcomes: EventProducer = field(default_factory=RecordedEvents)

    async def place(
        self,
        *lines: tuple[Sku, int],
        payment: PaymentMethod | None = None,
        token: str = "tok_visa",  # noqa: S107 - a test card
        postal_code: str = "01310-100",
        client: Client | None = None,
    ) -> Saga:
        request = a_request(*lines, payment=payment or Card(token=token))
        request = replace(request, shipping_address=address(postal_code))
        command = PlaceOrder(request=request, style=SagaStyle.ORCHESTRATED, fingerprint=request.order_id)
        await asyncio.to_thread(self.services.orders.place, command)
        settings = Settings(temporal_task_queue=self.task_queue)
        handle = await start_saga(client or self.environment.client, request, settings)
        return Saga(request.order_id, handle)

    @asynccontextmanager
    async def worker(
        self,
        deployment: WorkerDeploymentConfig | None = None,
        plugins: Sequence[Plugin] = (),
        client: Client | None = None,
    ) -> AsyncIterator[None]:
        with ThreadPoolExecutor(ACTIVITIES_AT_ONCE) as threads, outcomes_into(self.outcomes) as outcomes:
            plugins = [outcomes, *plugins]
            client = client or self.environment.client
            async with saga_worker(client, self.task_queue, self.services, threads, plugins, deployment):
                yield

    @asynccontextmanager
    async def time_passes(self) -> AsyncIterator[None]:
        """Skip time continuously. Without this, the server skips only while a client waits for a result."""
        passing = asyncio.create_task(self._pass_time())
        try:
            yield
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    async def _pass_time(self) -> None:
        while True:
            await self.environment.sleep(timedelta(seconds=1))

    async def await_tries(self, step: str, count: int) -> None:
        async def look() -> bool:
            return self.at_steps.tries[step] >= count

        await eventually(look, f"{step} is tried {count} times")

    async def events_of(self, saga: Saga) -> list[str]:
        """Return the types of the order's recorded events, the oldest first."""

        def read() -> list[str]:
            s = self.services
            journals = [each.journal(saga.order_id) for each in (s.orders, s.payments, s.inventory, s.shipping)]
            recorded = [entry for journal in journals for entry in journal.events]
            return [entry.event.type for entry in sorted(recorded, key=lambda entry: entry.at)]

        return await asyncio.to_thread(read)

    async def assert_books_right(self) -> None:
        verdict = await asyncio.to_thread(audit_of, self.services.databases, self.clock)
        assert verdict.ok, verdict

    def stock(self) -> None:
        for sku in (BOOK, LAMP):
            self.services.orders.set_price(sku, PRICE)
            self.services.inventory.restock(sku, sku.lower(), IN_STOCK)

    @contextmanager
    def away(self, database: Database, table: str) -> Iterator[None]:
        """Rename the table while the context is open: each use of it fails."""
        _rename(database, table, "elsewhere")
        try:
            yield
        finally:
            _rename(database, "elsewhere", table)


@asynccontextmanager
async def open_shop(
    environment: WorkflowEnvironment, at_steps: AtSteps, urls: Urls, pix_expiry: timedelta | None = None
) -> AsyncIterator[SagaShop]:
    """Open a stocked shop without a worker. Its services use the clock of the server."""
    loop = asyncio.get_running_loop()

    def clock() -> datetime:
        return asyncio.run_coroutine_threadsafe(environment.get_current_time(), loop).result(DEADLINE_S)

    await create_search_attributes(environment.client)
    services = services_over(Databases.open(urls), clock, publish=False, pix_expiry=pix_expiry)
    try:
        shop = SagaShop(environment, services, at_steps, clock)
        await asyncio.to_thread(shop.stock)
        yield shop
    finally:
        services.close()


def _rename(database: Database, table: str, name: str) -> None:
    with database.writing() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
        connection.commit()
