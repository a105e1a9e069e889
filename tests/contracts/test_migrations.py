"""The migrations create the tables that the code uses, and the indexes serve the queries that they are made for."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection, bindparam, create_engine, event, text

from adapters.sql import migrations, tables
from adapters.sql.migrations import migrate, newest_revision, revisions_of
from adapters.sql.stores.orders import SqlOrderStore
from adapters.sql.stores.payments import SqlPaymentStore
from adapters.sql.stores.shipping import SqlShippingStore
from domain.events import ShippingScheduled
from domain.ids import CustomerId, new_order_id
from domain.order import OrderStatus, SagaStyle, Step
from messaging.sql import inbox, journal_tables, outbox
from messaging.sql.database import Database
from messaging.sql.dialects import Instant
from messaging.sql.inbox import MessageId
from messaging.sql.unit_of_work import SqlUnits
from runtime.bootstrap import retry_until
from runtime.databases import migrate_databases
from runtime.errors import WrongVersion
from runtime.settings import Settings
from runtime.wiring import Databases
from services.names import DATABASES
from services.orders.store import OrderFilter, UnfinishedOrders
from services.shipping.service import ShippingService
from services.vocabulary import ORDER_EVENTS, event_id_of
from tests.support.boat_rental import urls_of
from tests.support.examples import NOON
from tests.support.service_databases import Urls, migrated_files, sqlite_urls

METADATA = {
    "orders": [journal_tables.JOURNAL, tables.ORDERS],
    "payments": [journal_tables.JOURNAL, tables.PAYMENTS],
    "inventory": [journal_tables.JOURNAL, tables.INVENTORY],
    "shipping": [journal_tables.JOURNAL, tables.SHIPPING],
    "gateway": [tables.GATEWAY],
    "estate": [tables.ESTATE],
}


def alembic_config(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("version_locations", str(revisions_of(service)))
    config.set_main_option("path_separator", "newline")
    return config


@pytest.mark.parametrize("service", DATABASES)
def test_the_migrated_tables_are_those_of_the_code(urls: Urls, service: str) -> None:
    database = Database.open(urls.database_url(service), service=service)
    with database.reading() as connection:
        context = MigrationContext.configure(connection)
        differences = compare_metadata(context, METADATA[service])  # type: ignore[arg-type] # it takes several, and does not say so
    database.close()

    assert differences == []


_AT = bindparam("at", type_=Instant())
_INSERT_EVENT = text(
    "INSERT INTO event_log (event_id, order_id, type, event, at, publish, waits)"
    " VALUES (:id, :key, :type, :event, :at, :yes, :yes)"
).bindparams(_AT)
_INSERT_STEP = text(
    "INSERT INTO steps (order_id, step, status, attempts, at) VALUES (:key, 'schedule_shipping', 'done', 2, :at)"
).bindparams(_AT)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_events_and_steps_of_an_earlier_version_keep_their_key(backend: str, tmp_path: Path) -> None:
    order_id = new_order_id()
    event = ShippingScheduled(order_id=order_id, tracking_number="T-1")
    logged = {"id": event_id_of(order_id, event.type), "event": ORDER_EVENTS.encode(event).decode()}
    with urls_of(backend, tmp_path, "shipping") as urls:
        url = urls["shipping"]
        with closing(Database.open(url, service="shipping-service")) as database, database.writing() as connection:
            config = alembic_config("shipping")
            config.attributes["connection"] = connection
            command.upgrade(config, "0002")
            values = {"key": order_id, "type": event.type, "at": NOON, "yes": True, **logged}
            connection.execute(_INSERT_EVENT, values)
            connection.execute(_INSERT_STEP, values)
            connection.commit()

        migrate(url, "shipping")

        with closing(Database.open(url, service="shipping-service")) as database:
            units = SqlUnits(database, ORDER_EVENTS, SqlShippingStore, lambda: NOON, publish=True)
            journal = ShippingService(units).journal(order_id)
            assert [recorded.event for recorded in journal.events] == [event]
            assert [(step.step, step.attempts) for step in journal.steps] == [(Step.SCHEDULE_SHIPPING, 2)]
            assert [row.event.key for row in outbox.Outbox(database).unpublished(5)] == [order_id]


@pytest.mark.parametrize("service", DATABASES)
def test_the_file_names_and_alembic_agree_on_the_newest_revision(service: str) -> None:
    assert ScriptDirectory.from_config(alembic_config(service)).get_heads() == [newest_revision(service)]


def test_processes_that_migrate_at_the_same_time_migrate_once(tmp_path: Path) -> None:
    url = sqlite_urls(tmp_path / "not" / "there").database_url("orders")

    with ThreadPoolExecutor(4) as processes:
        list(processes.map(lambda _: migrate(url, "orders"), range(4)))

    engine = create_engine(url)
    with engine.connect() as connection:
        revisions = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    engine.dispose()

    assert revisions == [newest_revision("orders")]


def test_opening_a_new_sqlite_file_waits_for_another_writer_of_it(tmp_path: Path) -> None:
    file = tmp_path / "orders.db"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        end_of_write = threading.Timer(0.2, writer.execute, ("ROLLBACK",))
        end_of_write.start()
        with closing(Database.open(f"sqlite:///{file}", service="orders")) as database:
            mode = journal_mode(database)
        end_of_write.join()

    assert mode == "wal"


def journal_mode(database: Database) -> object:
    with database.reading() as connection:
        return connection.execute(text("PRAGMA journal_mode")).scalar()


def test_a_database_of_an_unknown_revision_is_refused_at_once_with_a_remedy(urls: Urls, tmp_path: Path) -> None:
    url = urls.database_url("orders")
    settings = Settings(data_dir=tmp_path, orders_database_url=SecretStr(url))
    with closing(Database.open(url, service="orders")) as database:
        set_revision(database, "9999")
        try:
            with pytest.raises(WrongVersion) as refused:
                retry_until(lambda: migrate_databases(settings), end=time.monotonic() + 60)
        finally:
            set_revision(database, newest_revision("orders"))

    assert "the database of orders has revision 9999, which this version does not contain" in str(refused.value)
    remedy = "drop the database" if database.is_postgres else f"delete the data folder {tmp_path}"
    assert f"run the version that migrated it, or {remedy}" in str(refused.value)


def set_revision(database: Database, revision: str) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        connection.commit()


def test_a_sqlite_commit_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    database = Database.open(migrated_files(tmp_path).database_url("orders"), service="order-service")
    with database.writing() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


@contextmanager
def plans_of(database: Database) -> Iterator[list[str]]:
    """Collect the query plan of each query in the block."""
    plans: list[str] = []

    def explain(connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401 - as the driver takes them
        if statement.startswith("SELECT"):
            prefix = "EXPLAIN " if database.is_postgres else "EXPLAIN QUERY PLAN "
            cursor = connection.connection.cursor()
            if database.is_postgres:
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(prefix + statement, parameters)
            plans.append(" / ".join(str(row[-1]) for row in cursor.fetchall()))
            cursor.close()

    event.listen(database._engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(database._engine, "before_cursor_execute", explain)


def read_off(plan: str, index: str, databases: Databases) -> bool:
    # PostgreSQL chooses among indexes by its statistics: accept any index that saves the sort.
    if databases.orders.is_postgres:
        return "Index" in plan and "Sort" not in plan and "Seq Scan" not in plan
    return index in plan and "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (OrderFilter(limit=5), "ix_orders_place"),
        (OrderFilter(limit=5, style=SagaStyle.ORCHESTRATED), "ix_orders_style_place"),
        (OrderFilter(limit=5, status=OrderStatus.PENDING), "ix_orders_status_place"),
        (
            OrderFilter(limit=5, style=SagaStyle.ORCHESTRATED, status=OrderStatus.PENDING),
            "ix_orders_style_status_place",
        ),
        (OrderFilter(limit=5, customer_id=CustomerId("ana")), "ix_orders_customer_place"),
    ],
)
@pytest.mark.parametrize("first_page", [True, False])
def test_a_page_of_orders_is_read_off_an_index(
    databases: Databases, wanted: OrderFilter, index: str, first_page: bool
) -> None:
    before = None if first_page else (NOON, new_order_id())
    wanted = replace(wanted, before=before)

    with plans_of(databases.orders) as plans, databases.orders.reading() as connection:
        SqlOrderStore(connection).page(wanted)

    assert read_off(plans[0], index, databases)


def test_the_small_indexes_serve_their_queries(databases: Databases) -> None:
    with plans_of(databases.orders) as of_orders, databases.orders.reading() as connection:
        SqlOrderStore(connection).unfinished(
            UnfinishedOrders(style=SagaStyle.ORCHESTRATED, placed_before=NOON, limit=5, after=(NOON, new_order_id()))
        )
    with plans_of(databases.payments) as of_payments, databases.payments.reading() as connection:
        SqlPaymentStore(connection).expired(NOON, 5)
    with plans_of(databases.shipping) as of_shipping:
        outbox.Outbox(databases.shipping).unpublished(5)
        with databases.shipping.reading() as connection:
            inbox.status_of(connection, MessageId("m-1"), "key")

    assert read_off(of_orders[0], "ix_orders_unfinished", databases)
    assert read_off(of_payments[0], "ix_payments_expires_at", databases)
    assert read_off(of_shipping[0], "ix_event_log_outbox", databases)
    assert read_off(of_shipping[1], "ix_parked_key_seq", databases)
