"""Real servers for the tests: TWINSAGA_TEST_SERVERS names a file that says where they are.

Its lines are POSTGRES_URL (of a role that may create databases), REDIS_URL, KAFKA_BOOTSTRAP and TEMPORAL_ADDRESS. They
are the tests' own: topics, consumer groups and all of Redis are emptied. Databases and a Temporal namespace are made
anew for each stack, and the databases are dropped.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self
from uuid import uuid4

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from redis import Redis

from runtime.settings import Settings
from runtime.temporal_namespace import prepare_namespace
from tests.support.service_databases import Urls, postgres_databases
from tests.support.waiting import eventually

VARIABLE = "TWINSAGA_TEST_SERVERS"
POSTGRES_URL = "TWINSAGA_TEST_POSTGRES_URL"
SHORTEST_SESSION_MS = 6_000
"""Apache Kafka refuses a member with a shorter one, unless its `group.min.session.timeout.ms` says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenServers:
    """`redis` is a URL without a database number."""

    file: Path
    postgres: str
    redis: str
    kafka: str
    temporal: str

    @classmethod
    def read(cls, file: Path) -> Self:
        lines = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
        return cls(
            file=file,
            postgres=lines["POSTGRES_URL"],
            redis=lines["REDIS_URL"].rpartition("/")[0],
            kafka=lines["KAFKA_BOOTSTRAP"],
            temporal=lines["TEMPORAL_ADDRESS"],
        )

    @contextmanager
    def emptied(self) -> Iterator[dict[str, str]]:
        """Yield the settings (without their prefix) of a stack that has the servers to itself."""
        self.forget_topics()
        self.forget_keys()
        with postgres_databases(self.postgres) as urls:
            yield self._settings(urls)

    def forget_topics(self) -> None:
        """Delete every topic and every group, and wait until they are gone."""
        with closing(KafkaAdminClient(bootstrap_servers=self.kafka)) as admin:

            def gone() -> bool:
                groups = [group["group_id"] for group in admin.list_groups()]
                topics = [topic for topic in admin.list_topics() if not topic.startswith("__")]
                try:
                    if groups:
                        admin.delete_groups(groups)
                    if topics:
                        admin.delete_topics(topics)
                except KafkaError:  # a killed member stays in its group until its session times out
                    return False
                return not groups and not topics

            eventually(gone, "the topics and groups of earlier tests are gone", every_s=0.2)

    def forget_keys(self) -> None:
        with closing(Redis.from_url(f"{self.redis}/0")) as redis:
            redis.flushall()

    def make_namespace(self, name: str) -> str:
        settings = Settings(temporal_address=self.temporal, temporal_namespace=name)
        prepare_namespace(settings, settings.start_deadline_seconds)
        return name

    def _settings(self, urls: Urls) -> dict[str, str]:
        databases = {f"{service}_database_url": url for service, url in urls.by_service.items()}
        return databases | {
            "redis_url": self.redis,
            "kafka_bootstrap": self.kafka,
            "fetch_max_wait_ms": "500",
            "temporal_address": self.temporal,
            "temporal_namespace": f"test-{uuid4().hex[:8]}",
        }


@cache
def given_servers() -> GivenServers | None:
    named = os.environ.get(VARIABLE)
    return GivenServers.read(Path(named)) if named else None


def postgres_url() -> str | None:
    """Return the URL of a server and a role that may create databases, for tests that need PostgreSQL only."""
    servers = given_servers()
    return os.environ.get(POSTGRES_URL) or (servers.postgres if servers else None)
