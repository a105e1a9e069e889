"""The real app on real databases, with a Temporal that the test decides about."""

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx

from adapters.in_flight_keys import RedisInFlightKeys
from adapters.kafka.connection import KafkaConnection
from adapters.sql.migrations import migrate
from adapters.sql.outbox import Outbox
from api.app import create_app
from api.dependencies import Dependencies, TemporalUi
from api.errors import away
from domain.ids import OrderId
from domain.order import OrderRequest, SagaStyle
from runtime.conductors import ChoreographedConductor
from runtime.database_probes import database_probes
from runtime.dead_letter_box import DeadLetterBox
from runtime.estate.database import open_estate
from runtime.estate.for_api import EstateAccounts, EstateVideos
from runtime.estate.handing_over import HandingOver
from runtime.estate.workflows import VideoWorkflows
from runtime.settings import SERVICES, Settings
from runtime.wiring import Databases, Services, audit_of, services_over

NOWHERE = "127.0.0.1:9"


@dataclass(slots=True)
class Starter:
    """Stands for Temporal: it answers or not, starts or not, or keeps the caller waiting until it is let go."""

    started: list[OrderId] = field(default_factory=list)
    away: bool = False
    fails_to_start: bool = False
    _free: asyncio.Event = field(default_factory=asyncio.Event)
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _held: bool = False

    async def answers(self) -> bool:
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
        handing_over = HandingOver(settings, estate, workflows.start)
        conductor = ChoreographedConductor(
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

    def without_guard(self) -> None:
        """Take the guard of keys in flight away, as when Redis is."""
        away = RedisInFlightKeys("redis://127.0.0.1:9/2")
        self.dependencies = replace(self.dependencies, in_flight=away)

    def lose_databases(self) -> None:
        self.databases.close()
        self.folder.rename(self.folder.with_name("lost"))
