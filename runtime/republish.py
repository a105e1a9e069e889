"""Sends the events of unfinished choreographed orders again, after a broker has lost what it held.

No service can tell by itself which orders those are: whoever charged an order never hears how it ended. An order is
unfinished when the Order service says so, or when the Inventory service still holds its pieces as reserved: the sale
follows the confirmation's cause, not the confirmation. Everything that those orders ever published goes out again; the
inboxes take the duplicates.
"""

from collections.abc import Iterator

from sqlalchemy import select

from adapters.sql.database import Database
from adapters.sql.outbox import Outbox
from adapters.sql.tables import orders, reservations, reserved_not_sold
from domain.ids import OrderId
from domain.order import OrderStatus, SagaStyle
from runtime.wiring import Databases


def publish_unfinished_again(databases: Databases) -> int:
    """Return how many events wait for their relays because of this."""
    unfinished = sorted(set(_unfinished_orders(databases.orders)) | set(_unsold(databases.inventory)))
    again = 0
    for database in databases.journals:
        again += Outbox(database).publish_again(unfinished)
    return again


def _unfinished_orders(database: Database) -> Iterator[OrderId]:
    unfinished = orders.c.status.in_([OrderStatus.PENDING, OrderStatus.NEEDS_ATTENTION])
    with database.reading() as connection:
        wanted = select(orders.c.order_id).where(orders.c.style == SagaStyle.CHOREOGRAPHED, unfinished)
        yield from map(OrderId, connection.execute(wanted).scalars())


def _unsold(database: Database) -> Iterator[OrderId]:
    """Orchestrated ones are among them; they have published nothing, so nothing of theirs goes out."""
    with database.reading() as connection:
        wanted = select(reservations.c.order_id).where(reserved_not_sold)
        yield from map(OrderId, connection.execute(wanted).scalars())
