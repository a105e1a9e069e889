"""Secrets come from a variable or from a file, and production refuses well-known passwords."""

from pathlib import Path

import pytest

from processes import flower
from runtime.errors import CannotRun
from runtime.settings import load_settings

SAFE = {"TWINSAGA_ENVIRONMENT": "production", "TWINSAGA_REDIS_URL": "rediss://:7Hq2x@redis:6379"}


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SAFE.items():
        monkeypatch.setenv(variable, value)


def test_a_secret_is_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = "postgresql://orders:k3y@db/orders"
    (tmp_path / "url").write_text(f"{url}\n")
    monkeypatch.setenv("TWINSAGA_ORDERS_DATABASE_URL_FILE", str(tmp_path / "url"))

    assert load_settings().database_url("orders") == url


def test_the_variable_takes_precedence_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:from-the-file@redis:6379")
    monkeypatch.setenv("TWINSAGA_REDIS_URL_FILE", str(tmp_path / "url"))

    assert load_settings().redis_url.get_secret_value() == SAFE["TWINSAGA_REDIS_URL"]


def test_the_error_for_a_missing_file_names_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWINSAGA_KAFKA_PASSWORD_FILE", str(tmp_path / "nothing"))

    with pytest.raises(CannotRun, match="TWINSAGA_KAFKA_PASSWORD_FILE"):
        load_settings()


def test_only_secrets_are_read_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWINSAGA_LOG_LEVEL_FILE", str(tmp_path / "nothing"))

    assert load_settings().log_level == "INFO"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TWINSAGA_REDIS_URL", "redis://:change-me@redis:6379"),
        ("TWINSAGA_ESTATE_DATABASE_URL", "postgresql://estate:change%2Dme@db/estate"),
        ("TWINSAGA_PAYMENTS_DATABASE_URL", "postgresql://payments:@db/payments"),
        ("TWINSAGA_KAFKA_PASSWORD", "secret"),
        ("TWINSAGA_KAFKA_PASSWORD", "Change_Me-7"),
        ("TWINSAGA_FLOWER_PASSWORD", "xx-CHANGE-me-xx"),
        ("TWINSAGA_REDIS_URL", "redis://:Foobared@redis:6379"),
        ("TWINSAGA_ORDERS_DATABASE_URL", "postgresql://db/orders?user=orders&password=Change-Me"),
        ("TWINSAGA_ORDERS_DATABASE_URL", "postgresql://orders:TWINSAGA@db/orders"),
    ],
)
def test_a_well_known_password_is_refused_in_production_only(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(CannotRun, match=f"{variable}: has a well-known password") as refused:
        load_settings()

    assert value not in str(refused.value)
    monkeypatch.setenv("TWINSAGA_ENVIRONMENT", "development")
    load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TWINSAGA_ORDERS_DATABASE_URL", "postgresql://orders:Orders@db/orders"),
        ("TWINSAGA_ORDERS_DATABASE_URL", "postgresql://db/orders?user=orders&password=orders"),
        ("TWINSAGA_REDIS_URL", "redis://shop:shop@redis:6379"),
        ("TWINSAGA_FLOWER_PASSWORD", "operator"),
    ],
)
def test_a_password_that_is_the_name_of_its_user_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("TWINSAGA_FLOWER_USER", "operator")
    monkeypatch.setenv(variable, value)

    with pytest.raises(CannotRun, match=f"{variable}: has the name of its user"):
        load_settings()


def test_flower_without_a_password_does_not_start_in_production() -> None:
    with pytest.raises(CannotRun, match="TWINSAGA_FLOWER_PASSWORD"):
        flower.main(load_settings())


def test_the_default_of_redis_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWINSAGA_REDIS_URL")

    with pytest.raises(CannotRun, match="TWINSAGA_REDIS_URL: is not set"):
        load_settings()


def test_sasl_needs_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSAGA_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("TWINSAGA_KAFKA_USER", "twinsaga")

    with pytest.raises(CannotRun, match="kafka_password"):
        load_settings()


def test_every_client_checks_the_certificate_of_a_redis_behind_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSAGA_REDIS_CA_FILE", "/etc/ca.pem")
    settings = load_settings()

    ends = "?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem"
    assert settings.celery_broker_url == f"rediss://:7Hq2x@redis:6379/0{ends}"
    assert settings.celery_results_url == f"rediss://:7Hq2x@redis:6379/1{ends}"
    assert settings.own_redis_url == f"rediss://:7Hq2x@redis:6379/2{ends}"
