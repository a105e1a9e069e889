"""How we connect to Kafka: the few options that matter, and why they have these values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.range import RangePartitionAssignor

from adapters.kafka.clients import connected
from adapters.kafka.consumer_workarounds import RestingConsumer
from adapters.kafka.security import NO_SECURITY, KafkaSecurity

DELIVERY_TIMEOUT_S = 4.0
"""A record that has no acknowledgement by then has failed, and its producer is given up. Short, because a process that
is asked to stop may be waiting for it."""

Headers = Sequence[tuple[str, bytes]]

_CONNECT_MS = 3_000
_ANSWER_MS = 5_000
_RECONNECT_MAX_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """`fetch_max_wait_ms`: Tansu waits it out at every fetch, so keep it at 5 to 20 there; 500 is right for Apache."""

    bootstrap: str
    session_timeout_ms: int = 6_000
    fetch_max_wait_ms: int = 10
    security: KafkaSecurity = NO_SECURITY

    def producer(self) -> KafkaProducer:
        """Idempotent, so that a retry inside of it neither doubles nor reorders."""
        return connected(
            KafkaProducer,
            **self._servers(_CONNECT_MS),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_block_ms=_CONNECT_MS,
            request_timeout_ms=int(DELIVERY_TIMEOUT_S * 500),
            delivery_timeout_ms=int(DELIVERY_TIMEOUT_S * 1000),
            max_request_size=4 * 1024 * 1024,
            reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
            metrics_enabled=False,
        )

    def consumer(self, group: str) -> KafkaConsumer:
        """A member of the group that commits by hand and begins with the oldest message."""
        return connected(
            RestingConsumer,
            **self._servers(_CONNECT_MS),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # A poll that leaves a fetched batch half delivered can stall its partition for ever once it is paused.
            max_poll_records=100_000,
            fetch_max_bytes=1024 * 1024,
            max_partition_fetch_bytes=256 * 1024,
            fetch_max_wait_ms=self.fetch_max_wait_ms,
            # With as many partitions in each topic, all messages of one order reach the same member.
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=self.session_timeout_ms // 4,
            reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
            metrics_enabled=False,
        )

    def reader(self) -> KafkaConsumer:
        """Belongs to no group and commits nothing: the caller assigns and seeks."""
        return connected(
            KafkaConsumer,
            **self._servers(_ANSWER_MS),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention has taken what was asked for
            max_poll_records=100_000,
            fetch_max_bytes=1024 * 1024,
            fetch_max_wait_ms=self.fetch_max_wait_ms,
            metrics_enabled=False,
        )

    def admin(self, deadline_s: float) -> KafkaAdminClient:
        milliseconds = int(deadline_s * 1000)
        return connected(KafkaAdminClient, **self._servers(milliseconds), request_timeout_ms=milliseconds)

    def _servers(self, connect_ms: int) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.bootstrap,
            "bootstrap_timeout_ms": connect_ms,
            **self.security.options(),
        }
