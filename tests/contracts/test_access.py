"""API keys and the record of actions, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from adapters.sql.access import SqlActions, SqlApiKeys
from domain.ids import CustomerId, OrderId
from runtime.retention import forget_before
from runtime.wiring import Databases
from services.access.actions import SHOWN, Action
from services.access.keys import NewKey, Role
from tests.support.examples import SettableClock

ORDER = OrderId("0b1f5e9a-3f0e-4d5e-9f6b-111111111111")


@pytest.fixture
def keys(databases: Databases, clock: SettableClock) -> Iterator[SqlApiKeys]:
    yield SqlApiKeys(databases.orders, clock)
    with databases.orders.writing() as connection:
        connection.execute(text("DELETE FROM api_keys"))
        connection.execute(text("DELETE FROM actions"))
        connection.commit()


def test_a_key_is_read_as_it_was_stored_and_without_its_secret(
    keys: SqlApiKeys, databases: Databases, clock: SettableClock
) -> None:
    roles = frozenset({Role.CUSTOMER, Role.ADMIN})
    made = [
        NewKey.make("Ação", roles, clock(), customer_id=CustomerId("ana"), requests_per_minute=0),
        NewKey.make("on call", frozenset({Role.OPERATOR}), clock() + timedelta(seconds=1)),
    ]
    for key in made:
        keys.add(key.record)

    assert [keys.find(key.record.key_id) for key in made] == [key.record for key in made] == list(keys.every())
    assert keys.find("000000000000") is None
    with databases.orders.reading() as connection:
        stored = repr(connection.execute(text("SELECT * FROM api_keys")).all())
    assert made[0].text not in stored
    assert made[0].text[-43:] not in stored


def test_a_key_is_revoked_once(keys: SqlApiKeys, clock: SettableClock) -> None:
    key = NewKey.make("on call", frozenset({Role.OPERATOR}), clock())
    keys.add(key.record)

    assert [keys.revoke(key.record.key_id), keys.revoke(key.record.key_id), keys.revoke("nonsense")] == [
        True,
        False,
        False,
    ]
    revoked = keys.find(key.record.key_id)
    assert revoked == replace(key.record, revoked_at=clock())
    assert not revoked.accepts(key.text)


@pytest.mark.usefixtures("keys")
def test_the_actions_on_an_order_are_listed_with_those_that_were_refused(
    databases: Databases, clock: SettableClock
) -> None:
    actions = SqlActions(databases.orders)
    cancel = Action(at=clock(), key_id="0123456789ab", key_name="on call", action="cancel", order_id=ORDER)
    stock = replace(cancel, action="stock", order_id=None, detail="COFFEE")

    numbers = [actions.begin(each) for each in (cancel, stock, cancel)]
    actions.refused(numbers[2], "the order is already cancelled")

    assert list(actions.of_order(ORDER)) == [cancel, replace(cancel, error="the order is already cancelled")]


@pytest.mark.usefixtures("keys")
def test_an_order_shows_its_newest_actions_and_old_ones_are_forgotten(
    databases: Databases, clock: SettableClock
) -> None:
    actions = SqlActions(databases.orders)
    old = Action(at=clock(), key_id="0123456789ab", key_name="on call", action="cancel", order_id=ORDER)
    for number in range(SHOWN + 1):
        actions.begin(replace(old, detail=str(number)))
    assert [each.detail for each in actions.of_order(ORDER)] == [str(number) for number in range(1, SHOWN + 1)]

    clock.pass_time(timedelta(days=90))
    new = replace(old, at=clock())
    actions.begin(new)
    forgotten = forget_before(databases, clock() - timedelta(days=1))

    assert forgotten["order-service"] == SHOWN + 1
    assert list(actions.of_order(ORDER)) == [new]
