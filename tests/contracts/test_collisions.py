"""Transactions that collide: one of them is undone, and its retry sees the changes of the other."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from adapters.sql.tables import stock
from domain.ids import Sku
from messaging.sql.database import Database
from messaging.sql.faults import ConcurrentChange
from runtime.wiring import Databases, Services
from tests.support.examples import BOOK, LAMP

only_postgres = pytest.mark.parametrize("opened", ["postgres"], indirect=True)


def take_one_of_each(database: Database, skus: tuple[Sku, Sku], in_between: Callable[[], object]) -> None:
    first, second = (stock.update().where(stock.c.sku == sku).values(on_hand=stock.c.on_hand - 1) for sku in skus)
    with database.writing() as connection:
        connection.execute(first)
        in_between()
        connection.execute(second)
        connection.commit()


@only_postgres
def test_one_of_two_deadlocked_transactions_is_undone_and_retried(services: Services, databases: Databases) -> None:
    for sku in (BOOK, LAMP):
        services.inventory.restock(sku, "thing", 10)
    both_hold_one = threading.Barrier(2)
    undone: list[ConcurrentChange] = []

    def take(skus: tuple[Sku, Sku]) -> None:
        try:
            take_one_of_each(databases.inventory, skus, lambda: both_hold_one.wait(30))
        except ConcurrentChange as collided:
            undone.append(collided)
            take_one_of_each(databases.inventory, skus, lambda: None)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(take, [(BOOK, LAMP), (LAMP, BOOK)]))

    assert undone
    assert all("deadlock detected" in str(one) for one in undone)
    with databases.inventory.reading() as connection:
        assert sorted(connection.execute(select(stock.c.on_hand)).scalars()) == [8, 8]


@only_postgres
def test_a_transaction_that_cannot_be_serialized_is_a_concurrent_change(
    services: Services, databases: Databases
) -> None:
    services.inventory.restock(BOOK, "book", 10)

    def read_then_take(meanwhile: Callable[[], object]) -> None:
        with databases.inventory.writing() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            left = connection.execute(select(stock.c.on_hand).where(stock.c.sku == BOOK)).scalar_one()
            meanwhile()
            connection.execute(stock.update().where(stock.c.sku == BOOK).values(on_hand=left - 1))
            connection.commit()

    with pytest.raises(ConcurrentChange):
        read_then_take(lambda: read_then_take(lambda: None))
    read_then_take(lambda: None)

    with databases.inventory.reading() as connection:
        assert connection.execute(select(stock.c.on_hand)).scalar_one() == 8
