"""What every client of Kafka is told about who it is, and whom it may trust."""

import ssl
from pathlib import Path

import pytest

from adapters.kafka.connection import KafkaConnection
from adapters.kafka.security import KafkaSecurity
from runtime.kafka import kafka_connection
from runtime.settings import Settings


def test_without_security_nothing_is_asked_for() -> None:
    assert KafkaConnection(bootstrap="kafka:9092").security.options() == {"security_protocol": "PLAINTEXT"}


def test_the_settings_of_sasl_over_tls_reach_the_clients() -> None:
    settings = Settings.model_validate(
        {
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-256",
            "kafka_user": "payments",
            "kafka_password": "k3y",
        }
    )

    options = kafka_connection(settings).security.options()

    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname
    assert {name: value for name, value in options.items() if name != "ssl_context"} == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "payments",
        "sasl_plain_password": "k3y",
    }


def test_tls_alone_sends_no_password() -> None:
    assert set(KafkaSecurity(protocol="SSL", password="k3y").options()) == {"security_protocol", "ssl_context"}


def test_authorities_that_are_not_there_are_an_error_and_not_a_default(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        KafkaSecurity(protocol="SSL", ca_file=tmp_path / "nothing").tls()


def test_a_password_is_not_shown() -> None:
    assert "k3y" not in repr(KafkaSecurity(password="k3y"))
