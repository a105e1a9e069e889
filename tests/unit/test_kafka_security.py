"""The TLS and SASL options that every Kafka client gets."""

import ssl
from pathlib import Path

import pytest

from messaging.kafka.connection import KafkaConnection
from messaging.kafka.security import KafkaSecurity
from runtime.kafka import kafka_connection
from runtime.settings import Settings


def test_the_default_is_plaintext() -> None:
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


def test_a_missing_file_of_authorities_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        KafkaSecurity(protocol="SSL", ca_file=tmp_path / "nothing").tls()


def test_the_repr_hides_the_password() -> None:
    assert "k3y" not in repr(KafkaSecurity(password="k3y"))
