"""Finds orders for which a service has acted although the Order service does not have them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, union_all

from adapters.sql.audit import AuditedDatabases
from adapters.sql.tables import orders, write_offs
from domain.ids import OrderId
from messaging.sql.chunks import CHUNK, chunked
from messaging.sql.database import Database
from messaging.sql.journal_tables import event_log

_EFFECTS = ("payment.pending", "payment.completed", "inventory.reserved", "shipping.scheduled")
_REMEMBERED = 1_000

_EVENTS = (
    select(event_log.c.seq, event_log.c.key, event_log.c.type, event_log.c.at)
    .where(event_log.c.seq > bindparam("after"))
    .order_by(event_log.c.seq)
    .limit(CHUNK)
)
_OLDER = (
    select(event_log.c.seq, event_log.c.at)
    .where(event_log.c.seq <= bindparam("last"))
    .order_by(event_log.c.seq.desc())
    .limit(CHUNK)
)


class UnknownOrders:
    """Reads the event logs of the Payment, Inventory and Shipping services forward, a page of each at a call."""

    def __init__(self, databases: AuditedDatabases) -> None:
        self._orders = databases.orders
        self._logs = (databases.payments, databases.inventory, databases.shipping)
        self._read_up_to: dict[str, int] = {}
        self._unknown: set[OrderId] = set()

    def look(self, *, since: datetime, settled_before: datetime) -> None:
        """Read on. The first call begins with the events since `since`.

        Events since `settled_before` are read again at the next call: a transaction that began earlier may still write
        an event with a lower number.
        """
        for log in self._logs:
            if len(self._unknown) < _REMEMBERED:
                self._unknown |= self._acted_for(log, since, settled_before)
        # The order is written before the records that belong to it, so look for it after those were read.
        self._unknown -= self._known(self._unknown)

    def after(self, last: OrderId | None, limit: int) -> Sequence[OrderId]:
        """Return a page of the orders that were found and have not been written off since."""
        return sorted(order_id for order_id in self._unknown if last is None or order_id > last)[:limit]

    def _acted_for(self, log: Database, since: datetime, settled_before: datetime) -> set[OrderId]:
        with log.reading() as connection:
            after = self._read_up_to.get(log.service)
            if after is None:
                after = _last_before(connection, since)
            rows = connection.execute(_EVENTS, {"after": after}).all()
        settled = [row.seq for row in rows if row.at < settled_before]
        self._read_up_to[log.service] = settled[-1] if settled else after
        return {OrderId(row.key) for row in rows if row.type in _EFFECTS}

    def _known(self, order_ids: set[OrderId]) -> set[OrderId]:
        known: set[OrderId] = set()
        with self._orders.reading() as connection:
            for some in chunked(sorted(order_ids)):
                ids = (select(column).where(column.in_(some)) for column in (orders.c.order_id, write_offs.c.order_id))
                known |= set(map(OrderId, connection.execute(union_all(*ids)).scalars()))
        return known


def _last_before(connection: Connection, since: datetime) -> int:
    """Return the number of the last event before `since`, 0 if there is none: backwards, as few events are younger."""
    last: int = connection.execute(select(func.max(event_log.c.seq))).scalar() or 0
    while rows := connection.execute(_OLDER, {"last": last}).all():
        older: list[int] = [row.seq for row in rows if row.at < since]
        if older:
            return max(older)
        last = rows[-1].seq - 1
    return 0
