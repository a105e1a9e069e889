"""Connects the four services to their databases. Connections open at first use."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, Self

from adapters.clock import utc_now
from adapters.gateway_prefetch import GatewayPrefetch
from adapters.metrics import count_finished
from adapters.simulated_gateway import SimulatedGateway
from adapters.sql.audit import AuditedDatabases, AuditReads
from adapters.sql.stores.inventory import SqlInventoryStore
from adapters.sql.stores.orders import SqlOrderStore
from adapters.sql.stores.payments import SqlPaymentStore
from adapters.sql.stores.shipping import SqlShippingStore
from domain.events import Event
from messaging.sql.consuming import ConsumingService, consuming
from messaging.sql.database import Database
from messaging.sql.unit_of_work import MessageContext, SqlUnits
from messaging.unit_of_work import Clock
from services.audit.invariants import Verdict, audit
from services.inventory.service import InventoryService
from services.names import DATABASE_OF, GATEWAY, INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.sealing import UNSEALED, Seal, Seals
from services.shipping.service import ShippingService
from services.vocabulary import ORDER_EVENTS


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
    payments = SqlUnits(databases.payments, ORDER_EVENTS, SqlPaymentStore, clock, publish=publish)
    return Services(
        orders=OrderService(_order_units(databases.orders, clock, publish=publish), clock),
        payments=PaymentService(payments, gateway, clock, pix_expiry=pix_expiry, seal=seals.payment),
        inventory=InventoryService(
            SqlUnits(databases.inventory, ORDER_EVENTS, SqlInventoryStore, clock, publish=publish)
        ),
        shipping=ShippingService(
            SqlUnits(databases.shipping, ORDER_EVENTS, SqlShippingStore, clock, publish=publish), seals.shipping
        ),
        gateway=gateway,
        databases=databases,
    )


def open_services(
    settings: DatabaseUrls, *, publish: bool, pix_expiry: timedelta | None = None, seals: Seals = UNSEALED
) -> Services:
    return services_over(Databases.open(settings), publish=publish, pix_expiry=pix_expiry, seals=seals)


def consuming_orders(settings: DatabaseUrls, clock: Clock = utc_now) -> ConsumingService[OrderService]:
    database = _database_of(ORDER_SERVICE, settings)
    units = _order_units(database, clock, publish=True)
    return consuming(database, ORDER_EVENTS, clock, lambda message: OrderService(units.for_message(message), clock))


def consuming_payments(
    settings: DatabaseUrls,
    clock: Clock = utc_now,
    *,
    pix_expiry: timedelta | None = None,
    seal: Seal = UNSEALED.payment,
) -> ConsumingService[PaymentService]:
    database = _database_of(PAYMENT_SERVICE, settings)
    books = Database.open(settings.database_url(GATEWAY), service=GATEWAY)
    units = SqlUnits(database, ORDER_EVENTS, SqlPaymentStore, clock, publish=True)
    simulated = SimulatedGateway(books)
    gateway = GatewayPrefetch(simulated, PaymentService(units, simulated, clock, seal=seal).ask)

    def payments_for(message: MessageContext | None) -> PaymentService:
        bound = units.for_message(message)
        if message is not None and message.check_inbox_for is not None:
            with bound.look():
                pass  # opening it checks the inbox: a message that must not be handled must not reach the gateway
        return PaymentService(bound, gateway, clock, pix_expiry=pix_expiry, seal=seal)

    return replace(consuming(database, ORDER_EVENTS, clock, payments_for, gateway.close, books.close), prefetch=gateway)


def consuming_inventory(settings: DatabaseUrls, clock: Clock = utc_now) -> ConsumingService[InventoryService]:
    database = _database_of(INVENTORY_SERVICE, settings)
    units = SqlUnits(database, ORDER_EVENTS, SqlInventoryStore, clock, publish=True)
    inventory = consuming(database, ORDER_EVENTS, clock, lambda message: InventoryService(units.for_message(message)))
    # Orders share stock rows. A batch locks them in the order of its messages, so two batches could deadlock.
    return replace(inventory, batches=None) if database.is_postgres else inventory


def consuming_shipping(
    settings: DatabaseUrls, clock: Clock = utc_now, *, seal: Seal = UNSEALED.shipping
) -> ConsumingService[ShippingService]:
    database = _database_of(SHIPPING_SERVICE, settings)
    units = SqlUnits(database, ORDER_EVENTS, SqlShippingStore, clock, publish=True)
    return consuming(database, ORDER_EVENTS, clock, lambda message: ShippingService(units.for_message(message), seal))


def audit_of(databases: Databases, clock: Clock = utc_now) -> Verdict:
    return audit(AuditReads(databases), clock)


def _order_units(database: Database, clock: Clock, *, publish: bool) -> SqlUnits[SqlOrderStore, Event]:
    return SqlUnits(database, ORDER_EVENTS, SqlOrderStore, clock, publish=publish, committed=_count_if_finished)


def _count_if_finished(store: SqlOrderStore) -> None:
    if store.saved is not None:
        count_finished(store.saved)


def _database_of(service: str, settings: DatabaseUrls) -> Database:
    return Database.open(settings.database_url(DATABASE_OF[service]), service=service)
