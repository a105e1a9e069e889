"""The real API on real databases, with a stand-in for Temporal that the test controls."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx2 as httpx
from pydantic import SecretStr
from sqlalchemy import Connection, event

from adapters.clock import utc_now
from adapters.in_flight_keys import RedisInFlightKeys
from adapters.page_sessions import RedisPageSessions
from adapters.sql.access import SqlActions, SqlApiKeys
from adapters.sql.stores.orders import SqlOrderStore
from api.app import create_app
from api.dependencies import Dependencies, TemporalUi
from api.problems import away
from domain.commands import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    FailedCompensation,
    PlaceOrder,
    ReserveInventory,
    ScheduleShipping,
    ShowAttention,
)
from domain.events import OrderCreated, OrderRequested
from domain.ids import CustomerId, OrderId
from domain.order import OrderRequest, Reason, SagaStyle, Step
from estate.api_ports import EstateAccounts, EstateVideos
from estate.database import open_estate
from estate.task_outbox import TaskOutbox
from estate.video_workflows import VideoWorkflows
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letter_box import DeadLetterBox
from messaging.sql.database import Database, writes
from messaging.sql.faults import ConcurrentChange
from messaging.sql.outbox import Outbox
from messaging.sql.unit_of_work import SqlUnits
from processes.api.order_control import ChoreographedControl
from processes.api.wiring import database_probes
from runtime.kafka import CONSUMED_TOPICS
from runtime.settings import Settings
from runtime.wiring import Databases, Services, audit_of, services_over
from services.access.keys import NewKey, Role
from services.orders.service import OrderService
from services.sealing import UNSEALED
from services.vocabulary import ORDER_EVENTS
from tests.support.callers import KnownCaller
from tests.support.service_databases import migrated_files

NOWHERE = "127.0.0.1:9"
WEBHOOK_SECRET = "whsec_of_the_tests"


@dataclass(slots=True)
class Starter:
    """Stands for Temporal: it answers or not, starts sagas or not, or blocks the caller until `release`.

    `checks` counts the calls of `answers`.
    """

    started: list[OrderId] = field(default_factory=list)
    checks: int = 0
    away: bool = False
    fails_to_start: bool = False
    _free: asyncio.Event = field(default_factory=asyncio.Event)
    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _held: bool = False

    async def answers(self) -> bool:
        self.checks += 1
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

    def release(self) -> None:
        self._held = False
        self._free.set()

    async def reached(self) -> None:
        await asyncio.wait_for(self._reached.wait(), 10)


@dataclass(slots=True)
class Settlements:
    """Stands for the topic of the payment settlements."""

    announced: list[OrderId] = field(default_factory=list)
    away: bool = False

    async def announce(self, order_id: OrderId) -> None:
        if self.away:
            raise away("Kafka")
        self.announced.append(order_id)


class _Colliding(OrderService):
    """Fails once, as on PostgreSQL when two transactions insert the same row. SQLite runs them one by one."""

    collided = False

    def place(self, command: PlaceOrder) -> OrderRequested:
        placed = super().place(command)
        if not self.collided:
            self.collided = True
            raise ConcurrentChange("the row is there")
        return placed


@dataclass(slots=True)
class Rig:
    """`services`: those whose events are published. Both styles use the same databases.

    The API keys are in `access`, a copy of the orders' database, so that `transactions` shows those of orders alone,
    and callers are still known when the databases are lost.
    `caller` has all roles, and signs as the payment gateway.
    """

    folder: Path
    databases: Databases
    services: Services
    starter: Starter
    settlements: Settlements
    dependencies: Dependencies
    access: Database
    caller: KnownCaller

    @classmethod
    def on(cls, folder: Path, in_flight: RedisInFlightKeys, redis_url: str = "redis://127.0.0.1:6379") -> "Rig":
        """`redis_url`: of Celery and of the page's sessions, without a database number."""
        settings = Settings(data_dir=folder, redis_url=SecretStr(redis_url))
        migrated_files(folder)
        databases = Databases.open(settings)
        published, recorded = services_over(databases, publish=True), services_over(databases, publish=False)
        starter, settlements = Starter(), Settlements()
        estate, _ = open_estate(settings)
        workflows = VideoWorkflows(settings)
        task_outbox = TaskOutbox(settings, estate, workflows.start)
        control = ChoreographedControl(services=published)
        access_file = folder.with_name(f"{folder.name}-access.db")
        shutil.copy(databases.orders.file, access_file)
        access = Database.open(f"sqlite:///{access_file}", service="access")
        keys = SqlApiKeys(access, utc_now)
        key = NewKey.make("all roles", frozenset(Role), utc_now(), requests_per_minute=0)
        keys.add(key.record)
        dependencies = Dependencies(
            seals=UNSEALED,
            orders={SagaStyle.CHOREOGRAPHED: published.orders, SagaStyle.ORCHESTRATED: recorded.orders},
            payments=published.payments,
            inventory=published.inventory,
            shipping=published.shipping,
            starter=starter,
            in_flight=in_flight,
            sessions=RedisPageSessions(settings.own_redis_url),
            accounts=EstateAccounts(estate=estate, task_outbox=task_outbox),
            videos=EstateVideos(settings=settings, estate=estate, task_outbox=task_outbox, workflows=workflows),
            order_controls={SagaStyle.CHOREOGRAPHED: control},
            settlements=settlements,
            dead_letters=DeadLetterBox(KafkaConnection(bootstrap=NOWHERE), CONSUMED_TOPICS),
            probes=database_probes(databases)[:1],
            audit=partial(audit_of, databases),
            temporal_ui=TemporalUi(address="http://temporal.test", namespace="default"),
            keys=keys,
            actions=SqlActions(access),
            webhook_secrets=[WEBHOOK_SECRET],
            simulated_gateway=True,
        )
        caller = KnownCaller(key.text, WEBHOOK_SECRET)
        return cls(folder, databases, published, starter, settlements, dependencies, access, caller)

    def client(self, *, raise_app_exceptions: bool = True) -> httpx.AsyncClient:
        return self.client_with(self.caller, raise_app_exceptions=raise_app_exceptions)

    def client_with(
        self, caller: NewKey | KnownCaller | None, *, raise_app_exceptions: bool = True
    ) -> httpx.AsyncClient:
        """`caller`: None for one without a key."""
        transport = httpx.ASGITransport(create_app(self.dependencies), raise_app_exceptions=raise_app_exceptions)
        auth = KnownCaller(caller.text, "another secret") if isinstance(caller, NewKey) else caller
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", auth=auth)

    def make_key(
        self, *roles: Role, customer: str | None = None, requests_per_minute: int | None = None, name: str = "a key"
    ) -> NewKey:
        of = CustomerId(customer) if customer else None
        key = NewKey.make(name, frozenset(roles), utc_now(), customer_id=of, requests_per_minute=requests_per_minute)
        self.dependencies.keys.add(key.record)
        return key

    def close(self) -> None:
        self.databases.close()
        self.access.close()

    def outbox(self) -> list[tuple[str, str]]:
        """Order id and type of each event that is not published yet."""
        outbox = Outbox(self.databases.orders)
        try:
            rows = outbox.unpublished(100)
        finally:
            outbox.close()
        return [(row.event.key, row.event.type) for row in rows]

    @contextmanager
    def transactions(self) -> Iterator[list[str]]:
        """Record `look` or `write` for each transaction on the database of the Order service."""
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
        """Replace the guard of keys in flight by one whose Redis is down."""
        away = RedisInFlightKeys("redis://127.0.0.1:9/2")
        self.dependencies = replace(self.dependencies, in_flight=away)

    def collide(self) -> None:
        """Let the next choreographed order collide with the same one, placed a moment earlier by another process."""
        units = SqlUnits(self.databases.orders, ORDER_EVENTS, SqlOrderStore, utc_now, publish=True)
        colliding = dict(self.dependencies.orders) | {SagaStyle.CHOREOGRAPHED: _Colliding(units, utc_now)}
        self.dependencies = replace(self.dependencies, orders=colliding)

    def needs_attention(self, order_id: OrderId) -> None:
        failed = FailedCompensation(step=Step.REFUND_PAYMENT, error="GatewayFault: 503", reason=Reason.OUT_OF_STOCK)
        self.services.orders.show_attention(ShowAttention(order_id=order_id, failed=failed))

    def lose_databases(self) -> None:
        self.databases.close()
        self.folder.rename(self.folder.with_name("lost"))


def begun(rig: Rig, order_id: OrderId) -> OrderCreated:
    """Run the first steps of the order, through the charge."""
    event = rig.services.orders.create(CreateOrder(order=rig.services.orders.find(order_id).request))
    assert isinstance(event, OrderCreated)
    rig.services.payments.charge(ChargePayment(order=event.order))
    return event


def finished(rig: Rig, created: OrderCreated) -> None:
    """Run the other steps."""
    rig.services.inventory.reserve(ReserveInventory(order=created.order))
    rig.services.shipping.schedule(ScheduleShipping(order=created.order))
    rig.services.orders.confirm(ConfirmOrder(order_id=created.order_id))
