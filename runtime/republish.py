"""Publishes the events of unfinished choreographed orders again, after a broker has lost its records.

No service knows by itself which orders those are: the Payment service, for example, gets no event about an order's end.
An order is unfinished if the Order service says so, or if its pieces are still reserved: `shipping.scheduled` sells
them, independently of the confirmation. All events of those orders are published again, and the inboxes drop the
duplicates.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from adapters.sql.tables import orders, reservations, reserved_not_sold
from domain.ids import OrderId
from domain.order import OrderStatus, SagaStyle
from messaging.sql.database import Database
from messaging.sql.outbox import Outbox
from runtime.wiring import Databases


def publish_unfinished_again(databases: Databases) -> int:
    """Return how many events were put back into the outboxes."""
    return publish_again(
        databases, sorted(set(_unfinished_orders(databases.orders)) | set(unsold_orders(databases.inventory)))
    )


def publish_again(databases: Databases, order_ids: Sequence[OrderId]) -> int:
    """Put all published events of these orders back into the outboxes. Return how many."""
    again = 0
    for database in databases.journals:
        again += Outbox(database).publish_again(order_ids)
    return again


def _unfinished_orders(database: Database) -> Iterator[OrderId]:
    unfinished = orders.c.status.in_([OrderStatus.PENDING, OrderStatus.NEEDS_ATTENTION])
    with database.reading() as connection:
        wanted = select(orders.c.order_id).where(orders.c.style == SagaStyle.CHOREOGRAPHED, unfinished)
        yield from map(OrderId, connection.execute(wanted).scalars())


def unsold_orders(database: Database) -> Iterator[OrderId]:
    # Includes orchestrated orders. They have published nothing, so nothing is published again for them.
    with database.reading() as connection:
        wanted = select(reservations.c.order_id).where(reserved_not_sold)
        yield from map(OrderId, connection.execute(wanted).scalars())
