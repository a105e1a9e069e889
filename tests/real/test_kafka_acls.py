"""Access control lists on Apache Kafka: each service can do its own work, and nothing with the topics of others."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from adapters.sql.migrations import migrate
from domain.commands import PlaceOrder
from domain.order import SagaStyle
from processes.kafka_acls import accesses
from runtime.kafka import ALL_TOPICS, create_topics, kafka_connection
from runtime.sealing import seals
from runtime.settings import Settings
from runtime.wiring import Databases, services_over
from services.names import DATABASES, ORDER_SERVICE, PAYMENT_SERVICE, SERVICES, SHIPPING_SERVICE
from services.orders.store import Stage
from services.sealing import sealed_request
from tests.real.secured_broker import LIBS, SecuredBroker, secured_broker
from tests.support.examples import BOOK, PRICE, a_request
from tests.support.service_processes import ServiceProcesses
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(LIBS not in os.environ, reason=f"{LIBS} names no folder with the jars of Apache Kafka")

SCRIPT = Path(__file__).parents[2] / "deploy" / "kafka-acls"
USERS = sorted(access.user for access in accesses(Settings()))
READS = {
    ORDER_SERVICE: {"orders", "payments", "shipping", "orders.dlq", "payments.dlq", "inventory.dlq", "shipping.dlq"},
    PAYMENT_SERVICE: {"orders", "inventory", "payment-settlements"},
    SHIPPING_SERVICE: {"inventory", "orders"},
}
WRITES = {
    ORDER_SERVICE: {"orders", "orders.dlq", "payments.dlq", "shipping.dlq"},
    PAYMENT_SERVICE: {"payments", "orders.dlq", "inventory.dlq", "payment-settlements.dlq"},
    SHIPPING_SERVICE: {"shipping", "inventory.dlq", "orders.dlq"},
}
REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with secured_broker(tmp_path_factory.mktemp("broker"), USERS) as broker:
        settings = broker.settings()
        create_topics(Settings.model_validate(settings))
        environment = os.environ | {f"TWINSAGA_{name.upper()}": value for name, value in settings.items()}
        for _ in range(2):  # it is repeatable
            done = subprocess.run(  # noqa: S603 - our own script
                [str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr
        yield broker


def may_write(broker: SecuredBroker, user: str, topic: str) -> bool:
    producer = kafka_connection(Settings.model_validate(broker.settings_of(user))).producer()
    try:
        producer.send(topic, key=b"k", value=b"v").get(timeout=30)
    except REFUSED:
        return False
    finally:
        producer.close(timeout=5)
    return True


def may_read(broker: SecuredBroker, user: str, topic: str, group: str) -> bool:
    with closing(kafka_connection(Settings.model_validate(broker.settings_of(user))).consumer(group)) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        try:
            consumer.seek_to_beginning(partition)
            consumer.position(partition, timeout_ms=30_000)
            consumer.commit()
        except REFUSED:
            return False
    return True


@pytest.mark.parametrize("service", sorted(READS))
def test_a_service_reads_and_writes_what_it_needs_and_no_topic_of_others(broker: SecuredBroker, service: str) -> None:
    assert {topic for topic in ALL_TOPICS if may_read(broker, service, topic, service)} == READS[service]
    assert {topic for topic in ALL_TOPICS if may_write(broker, service, topic)} == WRITES[service]


def test_a_service_cannot_move_the_offsets_of_another(broker: SecuredBroker) -> None:
    assert may_read(broker, SHIPPING_SERVICE, "orders", SHIPPING_SERVICE)
    assert not may_read(broker, SHIPPING_SERVICE, "orders", PAYMENT_SERVICE)


def test_the_password_of_another_service_opens_nothing(broker: SecuredBroker) -> None:
    settings = broker.settings_of(PAYMENT_SERVICE) | {"kafka_user": ORDER_SERVICE}

    with pytest.raises(KafkaError):
        kafka_connection(Settings.model_validate(settings)).admin(3.0)


def test_an_order_is_confirmed_while_each_service_has_only_its_own_rights(
    broker: SecuredBroker, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, installation="acls")
    for database in DATABASES:
        migrate(settings.database_url(database), database)
    databases = Databases.open(settings)
    processes = ServiceProcesses(tmp_path, {"data_dir": str(tmp_path), "installation": "acls"})
    try:
        services = services_over(databases, publish=True)
        started = [
            processes.start(
                name, **{f"TWINSAGA_{key.upper()}": value for key, value in broker.settings_of(name).items()}
            )
            for name in SERVICES
        ]
        for each in started:
            each.await_joined()
        services.orders.set_price(BOOK, PRICE)
        services.inventory.restock(BOOK, "a book", 10)
        request = sealed_request(a_request(), seals(settings))
        services.orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="-"))
        order_id = request.order_id
        eventually(lambda: services.orders.find(order_id).stage is Stage.CONFIRMED, "the order is confirmed")
    finally:
        processes.close()
        databases.close()
