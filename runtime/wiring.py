"""Connects the four services to their databases. Connections open at first use."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Generic, Protocol, Self, TypeVar

from adapters.clock import utc_now
from adapters.gateway_prefetch import GatewayPrefetch
from adapters.metrics import count_finished
from adapters.simulated_gateway import SimulatedGateway
from adapters.sql.audit import AuditedDatabases, AuditReads
from adapters.sql.stores.inventory import SqlInventoryStore
from adapters.sql.stores.orders import SqlOrderStore
from adapters.sql.stores.payments import SqlPaymentStore
from adapters.sql.stores.shipping import SqlShippingStore
from messaging.sql.attempted import Attempts
from messaging.sql.batch import Batches
from messaging.sql.database import Database
from messaging.sql.inbox import Inbox
from messaging.sql.outbox import Outbox
from messaging.sql.parked import ParkedMessages
from messaging.sql.unit_of_work import MessageContext, SqlUnits
from services.audit.invariants import Verdict, audit
from services.inventory.service import InventoryService
from services.names import DATABASE_OF, GATEWAY, INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.sealing import UNSEALED, Seal, Seals
from services.shipping.service import ShippingService
from services.unit_of_work import Clock

T = TypeVar("T")


class DatabaseUrls(Protocol):
    """The part of the settings that this module needs."""

    def database_url(self, service: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases(AuditedDatabases):
    @classmethod
    def open(cls, settings: DatabaseUrls) -> Self:
        return cls(
            orders=_database_of(ORDER_SERVICE, settings),
            payments=_database_of(PAYMENT_SERVICE, settings),
            inventory=_database_of(INVENTORY_SERVICE, settings),
            shipping=_database_of(SHIPPING_SERVICE, settings),
            gateway=Database.open(settings.database_url(GATEWAY), service=GATEWAY),
        )

    def close(self) -> None:
        for database in (*self.journals, self.gateway):
            database.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    orders: OrderService
    payments: PaymentService
    inventory: InventoryService
    shipping: ShippingService
    gateway: SimulatedGateway
    databases: Databases

    def close(self) -> None:
        self.databases.close()


def services_over(
    databases: Databases,
    clock: Clock = utc_now,
    *,
    publish: bool,
    pix_expiry: timedelta | None = None,
    seals: Seals = UNSEALED,
) -> Services:
    """`publish`: events go to the outbox, as choreographed orders need. Several `Services` may share the databases.

    `seals`: for processes that charge and ship.
    """
    gateway = SimulatedGateway(databases.gateway)
    payments = SqlUnits(databases.payments, SqlPaymentStore, clock, publish=publish)
    return Services(
        orders=OrderService(_order_units(databases.orders, clock, publish=publish), clock),
        payments=PaymentService(payments, gateway, clock, pix_expiry=pix_expiry, seal=seals.payment),
        inventory=InventoryService(SqlUnits(databases.inventory, SqlInventoryStore, clock, publish=publish)),
        shipping=ShippingService(
            SqlUnits(databases.shipping, SqlShippingStore, clock, publish=publish), seals.shipping
        ),
        gateway=gateway,
        databases=databases,
    )


def open_services(
    settings: DatabaseUrls, *, publish: bool, pix_expiry: timedelta | None = None, seals: Seals = UNSEALED
) -> Services:
    return services_over(Databases.open(settings), publish=publish, pix_expiry=pix_expiry, seals=seals)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumingService(Generic[T]):
    """A service with what its consumer and its relay need. `service_for` binds it to one message and its inbox row.

    `batches`: None if messages are handled one by one. `prefetch` calls the gateway before a batch.
    """

    name: str
    service_for: Callable[[MessageContext | None], T]
    inbox: Inbox
    parked: ParkedMessages
    attempts: Attempts
    outbox: Outbox
    batches: Batches | None
    prefetch: GatewayPrefetch | None
    close: Callable[[], None]


def consuming_orders(settings: DatabaseUrls, clock: Clock = utc_now) -> ConsumingService[OrderService]:
    database = _database_of(ORDER_SERVICE, settings)
    units = _order_units(database, clock, publish=True)
    return _consuming(database, clock, lambda message: OrderService(units.for_message(message), clock))


def consuming_payments(
    settings: DatabaseUrls,
    clock: Clock = utc_now,
    *,
    pix_expiry: timedelta | None = None,
    seal: Seal = UNSEALED.payment,
) -> ConsumingService[PaymentService]:
    database = _database_of(PAYMENT_SERVICE, settings)
    books = Database.open(settings.database_url(GATEWAY), service=GATEWAY)
    units = SqlUnits(database, SqlPaymentStore, clock, publish=True)
    simulated = SimulatedGateway(books)
    gateway = GatewayPrefetch(simulated, PaymentService(units, simulated, clock, seal=seal).ask)

    def payments_for(message: MessageContext | None) -> PaymentService:
        bound = units.for_message(message)
        if message is not None and message.check_inbox_for is not None:
            with bound.look():
                pass  # opening it checks the inbox: a message that must not be handled must not reach the gateway
        return PaymentService(bound, gateway, clock, pix_expiry=pix_expiry, seal=seal)

    return replace(_consuming(database, clock, payments_for, gateway.close, books.close), prefetch=gateway)


def consuming_inventory(settings: DatabaseUrls, clock: Clock = utc_now) -> ConsumingService[InventoryService]:
    database = _database_of(INVENTORY_SERVICE, settings)
    units = SqlUnits(database, SqlInventoryStore, clock, publish=True)
    consuming = _consuming(database, clock, lambda message: InventoryService(units.for_message(message)))
    # Orders share stock rows. A batch locks them in the order of its messages, so two batches could deadlock.
    return replace(consuming, batches=None) if database.is_postgres else consuming


def consuming_shipping(
    settings: DatabaseUrls, clock: Clock = utc_now, *, seal: Seal = UNSEALED.shipping
) -> ConsumingService[ShippingService]:
    database = _database_of(SHIPPING_SERVICE, settings)
    units = SqlUnits(database, SqlShippingStore, clock, publish=True)
    return _consuming(database, clock, lambda message: ShippingService(units.for_message(message), seal))


def audit_of(databases: Databases, clock: Clock = utc_now) -> Verdict:
    return audit(AuditReads(databases), clock)


def _order_units(database: Database, clock: Clock, *, publish: bool) -> SqlUnits[SqlOrderStore]:
    return SqlUnits(database, SqlOrderStore, clock, publish=publish, committed=_count_if_finished)


def _count_if_finished(store: SqlOrderStore) -> None:
    if store.saved is not None:
        count_finished(store.saved)


def _database_of(service: str, settings: DatabaseUrls) -> Database:
    return Database.open(settings.database_url(DATABASE_OF[service]), service=service)


def _consuming(
    database: Database, clock: Clock, service_for: Callable[[MessageContext | None], T], *others: Callable[[], None]
) -> ConsumingService[T]:
    outbox = Outbox(database)

    def close() -> None:
        for close_one in (outbox.close, *others, database.close):
            close_one()

    return ConsumingService(
        name=database.service,
        service_for=service_for,
        inbox=Inbox(database, clock),
        parked=ParkedMessages(database),
        attempts=Attempts(database),
        outbox=outbox,
        batches=Batches(database),
        prefetch=None,
        close=close,
    )
