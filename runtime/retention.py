"""Deletes old journal rows of finished orders, in all services' databases, and old records of what callers did.

Orders, payments, reservations and shipments are kept: they are the books that the audit reads.
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta

from sqlalchemy import select

from adapters.clock import utc_now
from adapters.sql.access import SqlActions
from adapters.sql.tables import orders
from domain.ids import OrderId
from domain.order import OrderStatus
from messaging.errors import Fault
from messaging.sql.database import Database
from messaging.sql.retention import Retention
from messaging.unit_of_work import Clock
from runtime.errors import CannotRun
from runtime.republish import unsold_orders
from runtime.settings import Settings
from runtime.wiring import Databases


def forget_what_is_old(settings: Settings, clock: Clock = utc_now) -> Mapping[str, int]:
    """Return the number of deleted rows by service. Raises CannotRun: a database is away; earlier deletions stay."""
    before = clock() - timedelta(days=settings.retention_days)
    with closing(Databases.open(settings)) as databases:
        try:
            return forget_before(databases, before)
        except Fault as fault:
            raise CannotRun(f"not everything old could be deleted: {fault}") from fault


def forget_before(databases: Databases, before: datetime) -> Mapping[str, int]:
    # The events of an order that is confirmed and not sold may have to be published again.
    unfinished = unfinished_before(databases.orders, before) | frozenset(unsold_orders(databases.inventory))
    forgotten: dict[str, int] = {}
    for database in databases.journals:
        retention = Retention(database, before)
        forgotten[database.service] = retention.forget_events(unfinished) + retention.forget_messages()
    forgotten[databases.orders.service] += SqlActions(databases.orders).forget(before)
    return forgotten


def unfinished_before(database: Database, before: datetime) -> frozenset[OrderId]:
    # Mostly orders that wait for an operator, who needs their events to see what happened.
    still = orders.c.status.in_([OrderStatus.PENDING, OrderStatus.NEEDS_ATTENTION])
    with database.reading() as connection:
        wanted = select(orders.c.order_id).where(still, orders.c.placed_at < before)
        return frozenset(map(OrderId, connection.execute(wanted).scalars()))
