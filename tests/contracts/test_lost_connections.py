"""A lost connection is a fault that a retry, on a new connection, survives."""

import pytest
from sqlalchemy import text

from messaging.sql.database import Database
from messaging.sql.faults import DatabaseAway
from messaging.sql.outbox import Outbox
from runtime.wiring import Databases

only_sqlite = pytest.mark.parametrize("opened", ["sqlite"], indirect=True)
only_postgres = pytest.mark.parametrize("opened", ["postgres"], indirect=True)


def cut_other_connections(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


@only_postgres
def test_a_transaction_whose_connection_is_cut_faults_and_the_next_one_works(databases: Databases) -> None:
    with pytest.raises(DatabaseAway), databases.orders.writing() as connection:  # noqa: PT012 - the block is the transaction
        connection.execute(text("SELECT 1"))
        cut_other_connections(databases.orders)
        connection.execute(text("SELECT 1"))

    with databases.orders.writing() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@only_postgres
def test_idle_connections_that_were_cut_cause_no_fault(databases: Databases) -> None:
    with databases.orders.reading(), databases.orders.reading(), databases.orders.reading():
        pass  # three are in the pool now
    cut_other_connections(databases.orders)

    with (
        databases.orders.reading() as one,
        databases.orders.reading() as another,
        databases.orders.writing() as third,
    ):
        assert {connection.execute(text("SELECT 1")).scalar() for connection in (one, another, third)} == {1}


@only_postgres
def test_a_relay_whose_connection_is_cut_faults_and_loses_its_lock(databases: Databases) -> None:
    outbox, standby = Outbox(databases.orders), Outbox(databases.orders)

    with pytest.raises(DatabaseAway), outbox.relay_lock() as active:  # noqa: PT012 - the block is what the lock guards
        assert active
        cut_other_connections(databases.orders)
        outbox.wait_for_commit(1.0)

    with standby.relay_lock() as active:
        assert active
    with outbox.relay_lock() as active:
        assert active


@only_sqlite
def test_a_connection_that_was_opened_read_only_is_not_kept(databases: Databases) -> None:
    """As after a time in which the file system was read-only: SQLite then opens the file for reading alone."""
    with databases.orders.reading() as one, databases.orders.reading() as another:
        for connection in (one, another):  # both go back to the pool
            connection.exec_driver_sql("PRAGMA query_only=ON")

    with pytest.raises(DatabaseAway, match="readonly"), databases.orders.writing() as connection:
        connection.execute(text("DELETE FROM inbox"))

    for _ in range(3):
        with databases.orders.writing() as connection:
            connection.execute(text("DELETE FROM inbox"))
            connection.commit()


@only_sqlite
def test_a_relay_whose_lock_file_cannot_be_opened_faults(databases: Databases) -> None:
    file = databases.orders.file
    file.with_name(f"{file.name}.relay-lock").mkdir()

    with pytest.raises(DatabaseAway), Outbox(databases.orders).relay_lock():
        pass


def test_a_missing_database_server_is_away(databases: Databases) -> None:
    there = databases.orders.url
    nowhere = there.set(database=f"{there.database}/nowhere.db", query={"connect_timeout": "1"} if there.host else {})
    database = Database.open(nowhere.render_as_string(hide_password=False), service="order-service")

    with pytest.raises(DatabaseAway), database.reading() as connection:
        connection.execute(text("SELECT 1"))
    database.close()


@only_postgres
def test_a_relay_of_a_missing_database_server_faults(databases: Databases) -> None:
    there = databases.orders.url
    nowhere = there.set(database=f"{there.database}-nowhere", query={"connect_timeout": "1"})
    database = Database.open(nowhere.render_as_string(hide_password=False), service="order-service")

    with pytest.raises(DatabaseAway), Outbox(database).relay_lock():
        pass
    database.close()
