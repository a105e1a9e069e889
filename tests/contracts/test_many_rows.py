"""With very many rows, PostgreSQL's own plans scan no big table."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event, text

from adapters.codec import to_json
from adapters.sql.audit import AuditReads
from adapters.sql.stores.orders import SqlOrderStore
from adapters.sql.stores.payments import SqlPaymentStore
from domain.events import ShippingScheduled
from domain.ids import OrderId
from domain.order import OrderStatus, SagaStyle
from messaging.sql.database import Database
from messaging.sql.inbox import Inbox, MessageId, status_of
from messaging.sql.outbox import Outbox
from messaging.sql.parked import ParkedMessages
from messaging.sql.retention import Retention
from runtime.retention import unfinished_before
from runtime.wiring import Databases, services_over
from services.orders.store import OrderFilter, UnfinishedOrders
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import NOON, a_request
from tests.support.real_servers import postgres_url
from tests.support.service_databases import postgres_databases

ORDERS: Final = 1_000_000

AN_ORDER: Final = OrderId("00000000-0000-4000-8000-000000012345")
NEWEST: Final = NOON + timedelta(milliseconds=ORDERS)
_ID: Final = "'00000000-0000-4000-8000-' || lpad(n::text, 12, '0')"
_EACH: Final = f"FROM generate_series(1, {ORDERS}) n"
_AT: Final = "timestamptz '2026-03-01 12:00Z' + n * interval '1 ms'"

_FILL: Final = {
    "orders": f"""INSERT INTO orders (order_id, style, stage, status, fingerprint, request, placed_at, finished_at)
        SELECT {_ID}, CASE n % 2 WHEN 0 THEN 'orchestrated' ELSE 'choreographed' END,
               CASE n % 1000 WHEN 0 THEN 'requested' ELSE 'confirmed' END,
               CASE WHEN n % 1000 = 0 THEN 'pending' WHEN n % 5000 = 1 THEN 'needs_attention'
                    WHEN n % 20 = 2 THEN 'cancelled' ELSE 'confirmed' END, 'f', :request, {_AT},
               CASE WHEN n % 1000 > 0 AND n % 5000 <> 1 THEN {_AT} END {_EACH}""",
    "payments": f"""INSERT INTO payments (order_id, status, captured, refunded, expires_at)
        SELECT {_ID}, CASE n % 1000 WHEN 0 THEN 'pending' ELSE 'captured' END, 1, 0,
               CASE n % 1000 WHEN 0 THEN {_AT} END {_EACH}""",
    "reservations": f"""INSERT INTO reservations (order_id, status)
        SELECT {_ID}, CASE n % 1000 WHEN 0 THEN 'reserved' ELSE 'sold' END {_EACH}""",
    "event_log": f"""INSERT INTO event_log (event_id, key, type, event, at, publish, waits)
        SELECT 'e' || n, {_ID}, 'shipping.scheduled', :event, {_AT}, true, n % 2000 = 0 {_EACH}""",
    "steps": f"INSERT INTO steps SELECT {_ID}, 'schedule_shipping', 'done', 1, NULL, {_AT} {_EACH}",
    "inbox": f"INSERT INTO inbox SELECT 'm' || n, {_AT} {_EACH}",
    "parked": f"""INSERT INTO parked (message_id, key, topic, "partition", "offset", timestamp_ms, headers, value,
                                      attempts, next_attempt_at, last_error)
        SELECT 'p' || n, 'k' || n % 5000, 'orders', n % 4, n, 0, '[]', '', 1, {_AT}, 'away' {_EACH}""",
}
_PARAMETERS: Final = {
    "orders": {"request": to_json(a_request())},
    "event_log": {"event": ORDER_EVENTS.encode(ShippingScheduled(order_id=AN_ORDER, tracking_number="T")).decode()},
}


@pytest.fixture(scope="module")
def filled() -> Iterator[Databases]:
    url = postgres_url()
    assert url is not None
    with postgres_databases(url) as urls:
        databases = Databases.open(urls)
        fill(databases.orders, "orders")
        fill(databases.payments, "payments")
        fill(databases.inventory, "reservations")
        fill(databases.shipping, "event_log", "steps", "inbox", "parked")
        yield databases
        databases.close()


def fill(database: Database, *tables: str) -> None:
    # Unlogged: the write-ahead log would take longer than the rows.
    with database.writing() as connection:
        connection.execute(text("SET LOCAL statement_timeout = '5min'"))
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table} SET UNLOGGED"))
            connection.execute(text(_FILL[table]), _PARAMETERS.get(table, {}))
            connection.execute(text(f"ANALYZE {table}"))
        connection.commit()


@contextmanager
def plans_of(database: Database) -> Iterator[list[str]]:
    plans: list[str] = []

    def explain(connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401 - as the driver takes them
        if statement.startswith(("SELECT", "DELETE", "UPDATE")):
            cursor = connection.connection.cursor()
            cursor.execute("EXPLAIN " + statement, parameters)
            plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
            cursor.close()

    event.listen(database._engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(database._engine, "before_cursor_execute", explain)


def page(**wanted: Any) -> Callable[[Databases], object]:  # noqa: ANN401 - the filter's
    def look(databases: Databases) -> object:
        with databases.orders.reading() as connection:
            return SqlOrderStore(connection).page(OrderFilter(limit=50, **wanted))

    return look


def timeline(databases: Databases) -> object:
    return services_over(databases, publish=True).shipping.journal(AN_ORDER)


def order_by_id(databases: Databases) -> object:
    return services_over(databases, publish=True).orders.find(AN_ORDER)


def unfinished(databases: Databases) -> object:
    wanted = UnfinishedOrders(style=SagaStyle.ORCHESTRATED, placed_before=NEWEST, limit=200)
    with databases.orders.reading() as connection:
        return SqlOrderStore(connection).unfinished(wanted)


def expired(databases: Databases) -> object:
    with databases.payments.reading() as connection:
        return SqlPaymentStore(connection).expired(NEWEST, 100)


def standing(databases: Databases) -> object:
    with databases.shipping.reading() as connection:
        return status_of(connection, MessageId("m1"), "k1")


MIDDLE = (NOON + timedelta(milliseconds=ORDERS // 2), AN_ORDER)
ASKED: Final[dict[str, Callable[[Databases], object]]] = {
    "an order by its id": order_by_id,
    "the newest orders": page(),
    "orders in the middle": page(before=MIDDLE),
    "orders of a style": page(style=SagaStyle.ORCHESTRATED, before=MIDDLE),
    "orders that need attention": page(status=OrderStatus.NEEDS_ATTENTION),
    "orders of a status and a style": page(status=OrderStatus.CANCELLED, style=SagaStyle.CHOREOGRAPHED, before=MIDDLE),
    "unfinished orders": unfinished,
    "orders that are not sold": lambda d: services_over(d, publish=True).inventory.unsold(AN_ORDER, 20),
    "expired payments": expired,
    "a timeline": timeline,
    "the outbox": lambda databases: Outbox(databases.shipping).unpublished(500),
    "the oldest in the outbox": lambda databases: Outbox(databases.shipping).oldest_waiting_at(),
    "a mark in the outbox": lambda databases: Outbox(databases.shipping).mark_published([1, 2, 3]),
    "the events of some orders again": lambda databases: Outbox(databases.shipping).publish_again([AN_ORDER]),
    "parked messages that are due": lambda databases: ParkedMessages(databases.shipping).due(NOON, 100),
    "due messages of some partitions": lambda d: ParkedMessages(d.shipping).due(NOON, 100, [("orders", 1)]),
    "the end of a parked message": lambda databases: ParkedMessages(databases.shipping).remove(MessageId("p1")),
    "whether a message was handled": lambda d: Inbox(d.shipping, lambda: NOON).handled(MessageId("m1")),
    "the standing of a message": standing,
    "the standings of some": lambda d: Inbox(d.shipping, lambda: NOON).statuses([(MessageId("m1"), "k1")]),
    "old messages": lambda d: Retention(d.shipping, NOON + timedelta(milliseconds=1_200)).forget_messages(),
    "old events": lambda d: Retention(d.shipping, NOON + timedelta(milliseconds=1_200)).forget_events(frozenset()),
    "old orders that are not finished": lambda databases: unfinished_before(databases.orders, MIDDLE[0]),
    "the payments of some orders": lambda databases: list(AuditReads(databases).payments([AN_ORDER])),
}


@pytest.mark.parametrize("database", ["postgres"])  # selects it only where a PostgreSQL server is given
@pytest.mark.parametrize("asked", ASKED)
def test_no_big_table_is_read_from_end_to_end(filled: Databases, asked: str, database: str) -> None:  # noqa: ARG001
    with (
        plans_of(filled.orders) as of_orders,
        plans_of(filled.payments) as of_payments,
        plans_of(filled.inventory) as of_inventory,
        plans_of(filled.shipping) as of_shipping,
    ):
        ASKED[asked](filled)

    plans = of_orders + of_payments + of_inventory + of_shipping
    assert plans
    assert [plan for plan in plans if "Seq Scan" in plan] == []
