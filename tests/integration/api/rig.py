"""The real app on real databases, with a Temporal that the test decides about."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx
from sqlalchemy import Connection, event

from adapters.clock import utc_now
from adapters.in_flight_keys import RedisInFlightKeys
from adapters.kafka.connection import KafkaConnection
from adapters.sql.database import writes
from adapters.sql.faults import ConcurrentChange
from adapters.sql.migrations import migrate
from adapters.sql.outbox import Outbox
from adapters.sql.stores.orders import SqlOrderStore
from adapters.sql.unit_of_work import SqlUnits
from api.app import create_app
from api.dependencies import Dependencies, TemporalUi
from api.errors import away
from domain.commands import PlaceOrder
from domain.events import OrderRequested
from domain.ids import OrderId
from domain.order import OrderRequest, SagaStyle
from estate.api_ports import EstateAccounts, EstateVideos
from estate.database import open_estate
from estate.task_outbox import TaskOutbox
from estate.video_workflows import VideoWorkflows
from processes.api.database_probes import database_probes
from processes.api.dead_letters import DeadLetterBox
from processes.api.order_control import ChoreographedControl
from runtime.settings import SERVICES, Settings
from runtime.wiring import Databases, Services, audit_of, services_over
from services.orders.service import OrderService

NOWHERE = "127.0.0.1:9"


@dataclass(slots=True)
class Starter:
    """Stands for Temporal: it answers or not, starts or not, or keeps the caller waiting until it is let go.

    `asked` counts the health checks.
    """

    started: list[OrderId] = field(default_factory=list)
    asked: int = 0
    away: bool = False
    fails_to_start: bool = False
    _free: asyncio.Event = field(default_factory=asyncio.Event)
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _held: bool = False

    async def answers(self) -> bool:
        self.asked += 1
        return not self.away

    async def start(self, request: OrderRequest) -> None:
        self._reached.set()
        if self._held:
            await asyncio.wait_for(self._free.wait(), 10)
        if self.away or self.fails_to_start:
            raise ConnectionError
        if request.order_id not in self.started:
            self.started.append(request.order_id)

    def hold(self) -> None:
        self._held = True

    def let_go(self) -> None:
        self._held = False
        self._free.set()

    async def reached(self) -> None:
        await asyncio.wait_for(self._reached.wait(), 10)


@dataclass(slots=True)
class Settlements:
    """Stands for the topic of the gateway's."""

    announced: list[OrderId] = field(default_factory=list)
    away: bool = False

    async def announce(self, order_id: OrderId) -> None:
        if self.away:
            raise away("Kafka")
        self.announced.append(order_id)


class _Overtaken(OrderService):
    """As on PostgreSQL, where two that look at the same time both find nothing. SQLite lets them look in turn."""

    overtaken = False

    def place(self, command: PlaceOrder) -> OrderRequested:
        placed = super().place(command)
        if not self.overtaken:
            self.overtaken = True
            raise ConcurrentChange("the row is there")
        return placed


@dataclass(slots=True)
class Rig:
    """`services` are those whose events are published; both styles stand on the same databases."""

    folder: Path
    databases: Databases
    services: Services
    starter: Starter
    settlements: Settlements
    dependencies: Dependencies

    @classmethod
    def on(cls, folder: Path, in_flight: RedisInFlightKeys) -> "Rig":
        settings = Settings(data_dir=folder)
        for service in SERVICES:
            migrate(settings.database_url(service), service)
        databases = Databases.open(settings)
        published, recorded = services_over(databases, publish=True), services_over(databases, publish=False)
        starter, settlements = Starter(), Settlements()
        estate, _ = open_estate(settings)
        workflows = VideoWorkflows(settings)
        handing_over = TaskOutbox(settings, estate, workflows.start)
        conductor = ChoreographedControl(
            orders=published.orders,
            payments=published.payments,
            inventory=published.inventory,
            shipping=published.shipping,
        )
        dependencies = Dependencies(
            orders={SagaStyle.CHOREOGRAPHED: published.orders, SagaStyle.ORCHESTRATED: recorded.orders},
            payments=published.payments,
            inventory=published.inventory,
            shipping=published.shipping,
            starter=starter,
            in_flight=in_flight,
            accounts=EstateAccounts(estate=estate, handing_over=handing_over),
            videos=EstateVideos(settings=settings, estate=estate, handing_over=handing_over, workflows=workflows),
            conductors={SagaStyle.CHOREOGRAPHED: conductor},
            settlements=settlements,
            dead_letters=DeadLetterBox(KafkaConnection(bootstrap=NOWHERE)),
            probes=database_probes(databases)[:1],
            audit=partial(audit_of, databases),
            temporal_ui=TemporalUi(address="http://temporal.test", namespace="default"),
        )
        return cls(folder, databases, published, starter, settlements, dependencies)

    def client(self, *, raise_app_exceptions: bool = True) -> httpx.AsyncClient:
        app = create_app(self.dependencies)
        transport = httpx.ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
        return httpx.AsyncClient(transport=transport, base_url="http://api.test")

    def outbox(self) -> list[tuple[str, str]]:
        """Order and type of each event that waits to be published."""
        outbox = Outbox(self.databases.orders)
        try:
            rows = outbox.unpublished(100)
        finally:
            outbox.close()
        return [(row.recorded.event.order_id, row.recorded.event.type) for row in rows]

    @contextmanager
    def transactions(self) -> Iterator[list[str]]:
        """Note `look` or `write` for each transaction that is begun on the Order service's database."""
        begun: list[str] = []

        def note(connection: Connection) -> None:
            begun.append("write" if writes(connection) else "look")

        engine = self.databases.orders._engine
        event.listen(engine, "begin", note)
        try:
            yield begun
        finally:
            event.remove(engine, "begin", note)

    def without_guard(self) -> None:
        """Take the guard of keys in flight away, as when Redis is."""
        away = RedisInFlightKeys("redis://127.0.0.1:9/2")
        self.dependencies = replace(self.dependencies, in_flight=away)

    def collide(self) -> None:
        """Let the next choreographed placing collide with the same one by another process, which is quicker."""
        units = SqlUnits(self.databases.orders, SqlOrderStore, utc_now, publish=True)
        colliding = dict(self.dependencies.orders) | {SagaStyle.CHOREOGRAPHED: _Overtaken(units, utc_now)}
        self.dependencies = replace(self.dependencies, orders=colliding)

    def lose_databases(self) -> None:
        self.databases.close()
        self.folder.rename(self.folder.with_name("lost"))
