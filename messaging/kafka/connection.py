"""Kafka clients, with the few options that matter and the reasons for their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, codec

from messaging.kafka.consumer_workarounds import RestingConsumer
from messaging.kafka.security import NO_SECURITY, KafkaSecurity
from twinsaga_bridges.kafka import connection as bridges
from twinsaga_bridges.kafka.undecodable import pass_undecodable

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """`fetch_max_wait_ms`: Tansu delays every fetch by all of it, so use 5 to 20 there and 500 on Apache Kafka."""

    bootstrap: str
    session_timeout_ms: int = 6_000
    fetch_max_wait_ms: int = 10
    security: KafkaSecurity = NO_SECURITY
    connect_timeout_ms: int = 3_000
    answer_timeout_ms: int = 5_000

    def producer(self) -> KafkaProducer:
        return self._clients().producer()

    def consumer(self, group: str) -> KafkaConsumer:
        """A group member with manual commits that starts at the oldest message."""
        return self._clients().consumer(group, RestingConsumer)

    def reader(self) -> KafkaConsumer:
        """A consumer without a group, which commits nothing: the caller assigns and seeks."""
        consumer = bridges.connected(
            KafkaConsumer,
            **self._servers(self.answer_timeout_ms),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=bridges.WHOLE_FETCH,
            fetch_max_bytes=1024 * 1024,
            fetch_max_wait_ms=self.fetch_max_wait_ms,
            metrics_enabled=False,
        )
        pass_undecodable(consumer)
        return consumer

    def admin(self, deadline_s: float) -> KafkaAdminClient:
        milliseconds = int(deadline_s * 1000)
        return bridges.connected(KafkaAdminClient, **self._servers(milliseconds), request_timeout_ms=milliseconds)

    def _clients(self) -> bridges.KafkaConnection:
        return bridges.KafkaConnection(
            bootstrap=self.bootstrap,
            options=self.security.options(),
            session_timeout_ms=self.session_timeout_ms,
            fetch_max_wait_ms=self.fetch_max_wait_ms,
            connect_timeout_ms=self.connect_timeout_ms,
        )

    def _servers(self, connect_ms: int) -> dict[str, Any]:
        servers = {"bootstrap_servers": self.bootstrap, "bootstrap_timeout_ms": connect_ms}
        return servers | self.security.options()


def missing_codecs() -> list[str]:
    """Return the names of the codecs that kafka-python finds no library for. A producer may use any of them."""
    found = {"gzip": codec.has_gzip, "snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}
    return [name for name, has_library in found.items() if not has_library()]
