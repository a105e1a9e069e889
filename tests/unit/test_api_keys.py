"""API keys as text and as records."""

from datetime import UTC, datetime

import pytest

from domain.ids import CustomerId
from services.access.keys import ApiKey, NewKey, Role, key_id_of

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_a_key_contains_its_id_and_its_record_does_not_contain_its_secret() -> None:
    key = NewKey.make("on call", frozenset({Role.OPERATOR}), NOON)

    assert key_id_of(key.text) == key.record.key_id
    assert key.text.startswith("twinsaga_")
    assert key.text[-43:] not in repr(key.record)
    assert NewKey.make("on call", frozenset({Role.OPERATOR}), NOON).text != key.text


def test_only_the_whole_key_is_accepted() -> None:
    key = NewKey.make("on call", frozenset({Role.OPERATOR}), NOON)
    last = "A" if key.text[-1] != "A" else "B"

    assert key.record.accepts(key.text)
    for other in (key.text[:-1], key.text[:-1] + last, key.text + "A", key.record.digest, key.record.key_id, ""):
        assert not key.record.accepts(other)


@pytest.mark.parametrize(
    "text", ["", "twinsaga", "twinsaga__", "twinsaga_0123456789ab_short", "Twinsaga_0123456789ab_" + "x" * 43]
)
def test_other_texts_have_no_id_of_a_key(text: str) -> None:
    assert key_id_of(text) is None
    assert key_id_of(f"twinsaga_0123456789ab_{'x' * 43}\n") is None


def test_a_key_of_a_customer_names_the_customer() -> None:
    with pytest.raises(ValueError, match="customer"):
        NewKey.make("phone", frozenset({Role.CUSTOMER, Role.ADMIN}), NOON)
    with pytest.raises(ValueError, match="role"):
        NewKey.make("phone", frozenset(), NOON)


@pytest.mark.parametrize(
    ("roles", "only_own"),
    [({Role.CUSTOMER}, True), ({Role.ADMIN}, True), ({Role.CUSTOMER, Role.ADMIN}, True), (set(Role), False)],
    ids=["customer", "admin", "customer and admin", "all"],
)
def test_only_an_operator_sees_the_orders_of_all_customers(roles: set[Role], only_own: bool) -> None:
    key: ApiKey = NewKey.make("a key", frozenset(roles), NOON, customer_id=CustomerId("ana")).record

    assert key.only_own_orders == only_own
