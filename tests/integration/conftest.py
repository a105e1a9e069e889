"""A broker and the choreographed services for one test."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from messaging.kafka.topics import TopicShape, ensure_topics
from runtime.kafka import ALL_TOPICS
from tests.support.broker import Broker, GivenBroker
from tests.support.choreography_in_threads import Choreography
from tests.support.real_servers import given_servers
from tests.support.service_databases import Urls, postgres_databases


@pytest.fixture
def partitions() -> int:
    """Partitions per topic. Override it to use another number."""
    return 4


@pytest.fixture
def broker(tmp_path: Path, partitions: int) -> Iterator[Broker]:
    servers = given_servers()
    broker = GivenBroker(servers) if servers else Broker(tmp_path / "tansu.log")
    try:
        broker.start()
        ensure_topics(broker.connection, TopicShape(partitions=partitions), 10, ALL_TOPICS)
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def given_databases() -> Iterator[Urls | None]:
    servers = given_servers()
    with postgres_databases(servers.postgres) if servers else nullcontext() as urls:
        yield urls


@pytest.fixture
def choreography(tmp_path: Path, broker: Broker, given_databases: Urls | None) -> Iterator[Choreography]:
    """Migrated databases and a stocked product. The services are not started."""
    choreography = Choreography(tmp_path, broker.connection, given_databases)
    try:
        choreography.stock()
        yield choreography
    finally:
        choreography.close()
