from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime.errors import CannotRun
from runtime.settings import Settings, load_settings
from services.names import DATABASES


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = Settings().with_changes(
        data_dir=tmp_path,
        api_port=15_000,
        redis_url=SecretStr("redis://:pass@127.0.0.1:15001"),
        orders_database_url=SecretStr("postgresql://user:pass@127.0.0.1/orders"),
        fetch_max_wait_ms=20,
    )

    for name, value in changed.as_environment().items():
        monkeypatch.setenv(name, value)

    assert load_settings() == changed


def test_no_secret_is_printed() -> None:
    settings = Settings(redis_url=SecretStr("redis://:hunter2@127.0.0.1:6379"))

    assert "hunter2" not in repr(settings)
    assert settings.celery_broker_url == "redis://:hunter2@127.0.0.1:6379/0"
    assert settings.own_redis_url == "redis://:hunter2@127.0.0.1:6379/2"


def test_while_the_secret_of_the_webhook_is_replaced_both_count() -> None:
    new, old = "whsec_the_new_secret", "whsec_the_old_secret"

    assert Settings(webhook_secret=SecretStr(new)).webhook_secrets == [new]
    replaced = Settings(webhook_secret=SecretStr(new), webhook_previous_secret=SecretStr(old))
    assert replaced.webhook_secrets == [new, old]


def test_each_service_has_its_own_sqlite_file_by_default(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    urls = {settings.database_url(service) for service in DATABASES}

    assert urls == {f"sqlite:///{tmp_path}/{service}.db" for service in DATABASES}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("API_PORT", "70000", "less than or equal to 65535"),
        ("KAFKA_BOOTSTRAP", "kafka", "should match pattern"),
        ("REDIS_URL", "redis://127.0.0.1:6379/1", "must not name a database"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
    ],
)
def test_an_invalid_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(f"TWINSAGA_{name}", value)

    with pytest.raises(CannotRun) as refused:
        load_settings()

    assert message in str(refused.value)
    assert name in str(refused.value) or name == "REDIS_URL"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:16686/trace/{trace_id}",
        "https://grafana.example.com/explore?traceId={trace_id}&from=page",
    ],
)
def test_a_trace_ui_is_an_address_with_a_place_for_the_id(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TWINSAGA_TRACE_UI", address)

    assert load_settings().trace_ui == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)//{trace_id}",
        "data:text/html,{trace_id}",
        "//127.0.0.1/{trace_id}",
        "http://{trace_id}/",
        "http://127.0.0.1:16686/trace/",
        "http://127.0.0.1:16686/{trace}/{trace_id}",
        "http://127.0.0.1:16686/trace/{trace_id}\n",
        "http://user:secret@127.0.0.1/{trace_id}",
    ],
)
def test_another_address_of_a_trace_ui_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TWINSAGA_TRACE_UI", address)

    with pytest.raises(CannotRun, match="TWINSAGA_TRACE_UI"):
        load_settings()


def test_the_bootstrap_may_name_several_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSAGA_KAFKA_BOOTSTRAP", "one:9092,two:9092")

    assert load_settings().kafka_bootstrap == "one:9092,two:9092"
