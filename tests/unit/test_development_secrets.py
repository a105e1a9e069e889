"""The key of the embedded stack, and what the API needs before it starts in production."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.clock import utc_now
from adapters.sql.migrations import migrate
from embedded.development_secrets import development_secrets
from runtime.api_keys import open_api_keys, refuse_to_start_open
from runtime.errors import CannotRun
from runtime.settings import Settings
from services.access.keys import NewKey, Role, key_id_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path)
    migrate(settings.database_url("orders"), "orders")
    return settings


def test_the_key_has_all_roles_and_no_limit_and_is_the_same_after_a_restart(settings: Settings) -> None:
    first, second = development_secrets(settings), development_secrets(settings)

    assert first == second
    with open_api_keys(settings) as keys:
        (stored,) = keys.every()
    assert stored.accepts(first.api_key)
    assert (stored.roles, stored.requests_per_minute) == (frozenset(Role), 0)
    assert len(first.webhook_secret) > 40


def test_only_our_user_reads_the_file(settings: Settings) -> None:
    before = os.umask(0)
    try:
        development_secrets(settings)
    finally:
        os.umask(before)

    (file,) = (settings.data_dir / "run").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_revoked_or_lost_its_database_is_replaced(settings: Settings, tmp_path: Path) -> None:
    first = development_secrets(settings)
    with open_api_keys(settings) as keys:
        keys.revoke(key_id_of(first.api_key) or "")

    second = development_secrets(settings)
    other = settings.with_changes(orders_database_url=SecretStr(f"sqlite:///{tmp_path}/other.db"))
    migrate(other.database_url("orders"), "orders")
    third = development_secrets(other)

    assert len({first.api_key, second.api_key, third.api_key}) == 3
    assert first.webhook_secret == second.webhook_secret == third.webhook_secret


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"api_key": 1, "webhook_secret": "x", "more": ""}'])
def test_a_damaged_file_is_replaced(settings: Settings, content: str) -> None:
    file = settings.data_dir / "run" / "secrets.json"
    file.parent.mkdir()
    file.write_text(content)

    made = development_secrets(settings)

    assert development_secrets(settings) == made


def test_the_api_does_not_start_in_production_without_a_key_and_a_secret(settings: Settings) -> None:
    refuse_to_start_open(settings)
    production = settings.with_changes(environment="production")

    with pytest.raises(CannotRun, match="TWINSAGA_WEBHOOK_SECRET must be set"):
        refuse_to_start_open(production)
    signed = production.with_changes(webhook_secret=SecretStr("whsec_of_the_tests"))
    with pytest.raises(CannotRun, match="twinsaga keys make"):
        refuse_to_start_open(signed)

    key = NewKey.make("on call", frozenset({Role.OPERATOR}), utc_now()).record
    with open_api_keys(signed) as keys:
        keys.add(key)
    refuse_to_start_open(signed)
    with open_api_keys(signed) as keys:
        keys.revoke(key.key_id)
    with pytest.raises(CannotRun, match="there is no API key"):
        refuse_to_start_open(signed)


def test_an_api_whose_database_is_away_starts_since_it_admits_nobody(settings: Settings, tmp_path: Path) -> None:
    away = settings.with_changes(
        environment="production",
        webhook_secret=SecretStr("whsec_of_the_tests"),
        orders_database_url=SecretStr(f"sqlite:///{tmp_path}/nowhere/orders.db"),
    )

    refuse_to_start_open(away)
