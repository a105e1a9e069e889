"""Kafka clients, with the few options that matter and the reasons for their values."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, codec
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError

from adapters.kafka.consumer_workarounds import RestingConsumer
from adapters.kafka.security import NO_SECURITY, KafkaSecurity
from twinsaga_bridges.kafka.undecodable import pass_undecodable

DELIVERY_TIMEOUT_S = 4.0
"""A record without an acknowledgement by then has failed, and its producer is closed. Short, because a process that is
stopping may be waiting for it."""

Headers = Sequence[tuple[str, bytes]]
T = TypeVar("T", KafkaAdminClient, KafkaConsumer, KafkaProducer)

_RECONNECT_MAX_MS = 1_000


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
        """Idempotent, so that a retry inside of it neither duplicates nor reorders records."""
        return _connected(
            KafkaProducer,
            **self._servers(self.connect_timeout_ms),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_block_ms=self.connect_timeout_ms,
            request_timeout_ms=int(DELIVERY_TIMEOUT_S * 500),
            delivery_timeout_ms=int(DELIVERY_TIMEOUT_S * 1000),
            max_request_size=4 * 1024 * 1024,
            reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
            metrics_enabled=False,
        )

    def consumer(self, group: str) -> KafkaConsumer:
        """A group member with manual commits that starts at the oldest message."""
        consumer = _connected(
            RestingConsumer,
            **self._servers(self.connect_timeout_ms),
            group_id=group,
            **self._reading(),
            max_partition_fetch_bytes=256 * 1024,
            # With as many partitions in each topic, all messages of one order reach the same member.
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=self.session_timeout_ms // 4,
            reconnect_backoff_max_ms=_RECONNECT_MAX_MS,
        )
        pass_undecodable(consumer)
        return consumer

    def reader(self) -> KafkaConsumer:
        """A consumer without a group, which commits nothing: the caller assigns and seeks."""
        consumer = _connected(KafkaConsumer, **self._servers(self.answer_timeout_ms), **self._reading())
        pass_undecodable(consumer)
        return consumer

    def admin(self, deadline_s: float) -> KafkaAdminClient:
        milliseconds = int(deadline_s * 1000)
        return _connected(KafkaAdminClient, **self._servers(milliseconds), request_timeout_ms=milliseconds)

    def _servers(self, connect_ms: int) -> dict[str, Any]:
        servers = {"bootstrap_servers": self.bootstrap, "bootstrap_timeout_ms": connect_ms}
        return servers | self.security.options()

    def _reading(self) -> dict[str, Any]:
        return {
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",  # for a new group, or if retention deleted the offset
            # kafka-python: a poll that returns a part of a fetch can stall its partition for ever once it is paused.
            "max_poll_records": 100_000,
            "fetch_max_bytes": 1024 * 1024,
            "fetch_max_wait_ms": self.fetch_max_wait_ms,
            "metrics_enabled": False,
        }


def missing_codecs() -> list[str]:
    """Return the names of the codecs that kafka-python finds no library for. A producer may use any of them."""
    found = {"gzip": codec.has_gzip, "snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}
    return [name for name, has_library in found.items() if not has_library()]


def _connected(kind: type[T], **options: Any) -> T:  # noqa: ANN401 - kafka-python's options, which have no types
    """Make a client; if it cannot connect, close what it opened and raise with the reason.

    The constructors of kafka-python open sockets and start a thread before they connect. When they raise because they
    cannot connect, they leave both running, again with each attempt.
    """
    opened: list[Any] = []

    def recording_client(**configuration: Any) -> Any:  # noqa: ANN401 - the same
        opened.append(kind.DEFAULT_CONFIG["kafka_client"](**configuration))
        return opened[0]

    try:
        with _reason_added():
            return kind(kafka_client=recording_client, **options)
    except BaseException:
        for inner in opened:
            inner.close()
        raise


class _FirstError(logging.Handler):
    """Keeps the text of the first connection error that kafka-python logs."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(error, Exception):
            self.text = self.text or str(error)


@contextmanager
def _reason_added() -> Iterator[None]:
    """Add the cause to the error: kafka-python raises a timeout, and only logs a wrong password or certificate."""
    first, log = _FirstError(logging.ERROR), logging.getLogger("kafka.net.connection")
    log.addHandler(first)
    try:
        yield
    except KafkaError as error:
        if first.text:
            error.args = (f"{', '.join(map(str, error.args))}: {first.text}",)
        raise
    finally:
        log.removeHandler(first)
