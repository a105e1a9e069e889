"""SASL over TLS to an Apache Kafka broker that accepts nothing else."""

import os
import subprocess
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from kafka.errors import KafkaError

from comparison.scenarios import SCENARIOS
from messaging.kafka.topics import TopicShape, ensure_topics
from runtime.kafka import kafka_connection
from runtime.settings import Settings
from tests.real.secured_broker import LIBS, MECHANISMS, SecuredBroker, secured_broker
from tests.support.shop import Shop
from tests.support.stack import TWINSAGA, running_stack

pytestmark = pytest.mark.skipif(LIBS not in os.environ, reason=f"{LIBS} names no folder with the jars of Apache Kafka")

TOPIC = "letters"
REFUSED = "Authentication failed|disconnected"  # kafka-python drops the broker's last reply


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


def make_topics(settings: dict[str, str], deadline_s: float = 20.0) -> None:
    connection = kafka_connection(Settings.model_validate(settings))
    ensure_topics(connection, TopicShape(partitions=4), deadline_s, [TOPIC])


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_can_write_and_read(broker: SecuredBroker, mechanism: str) -> None:
    settings = broker.settings(mechanism)
    make_topics(settings)
    connection = kafka_connection(Settings.model_validate(settings))

    producer, consumer = connection.producer(), connection.consumer(f"group-{mechanism}")
    try:
        sent = producer.send(TOPIC, key=b"k", value=mechanism.encode()).get(timeout=20)
        consumer.subscribe([TOPIC])
        found = [record.value for some in consumer.poll(timeout_ms=20_000).values() for record in some]
    finally:
        producer.close(timeout=5)
        consumer.close()

    assert sent.offset >= 0
    assert found


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        pytest.param({"kafka_password": "nonsense"}, REFUSED, id="a wrong password"),
        pytest.param({"kafka_ca_file": None}, "local issuer certificate", id="an unknown authority"),
        pytest.param(
            {"kafka_bootstrap": "localhost"}, "Hostname mismatch", id="a host name that is not in the certificate"
        ),
        pytest.param({"kafka_security_protocol": "PLAINTEXT"}, "disconnected|Invalid frame", id="no security"),
    ],
)
def test_an_unsafe_connection_is_refused(broker: SecuredBroker, wrong: dict[str, str], why: str) -> None:
    make_topics(broker.settings())
    settings = broker.settings() | wrong
    if not settings["kafka_bootstrap"].endswith(str(broker.port)):
        settings["kafka_bootstrap"] += f":{broker.port}"

    with pytest.raises(KafkaError, match=why):
        make_topics(settings, deadline_s=2.0)


def test_orders_of_both_styles_end_and_the_command_line_reads_the_dead_letters(
    broker: SecuredBroker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = broker.settings()
    with running_stack(tmp_path_factory.mktemp("stack"), **settings) as stack, stack.client() as client:
        shop = Shop(client)
        for style in ("orchestrated", "choreographed"):
            for name in ("ok", "undeliverable"):
                end = shop.await_end(shop.place(shop.prepared(SCENARIOS[name]), style))
                assert (end["status"], end["reason"]) == (SCENARIOS[name].status, SCENARIOS[name].reason)
        shop.assert_books_right()
        ready = client.get("/readyz")
        environment = os.environ | {f"TWINSAGA_{name.upper()}": value for name, value in settings.items()}
        listed = subprocess.run(  # noqa: S603 - our own program
            [str(TWINSAGA), "dlq", "list"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    assert ready.status_code == httpx.codes.OK, ready.text
    assert (listed.returncode, listed.stderr) == (0, "")
