"""Kafka clients with the options that the bridges need, and a check of those that somebody else has made."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError

from twinsaga_bridges.kafka.closing import close_producer
from twinsaga_bridges.kafka.undecodable import pass_undecodable

DELIVERY_TIMEOUT_S = 4.0
"""A record without an acknowledgement by then has failed, and its producer is closed. Short, because a process that is
stopping may be waiting for it."""

WHOLE_FETCH = 100_000
"""Records. kafka-python: a poll that returns a part of a fetch can stall its partition for ever once it is paused."""

_REJOIN_MS = 1_000
"""Shortest poll during a rebalance: kafka-python drops an answer that arrives between two polls and asks again."""

_RECONNECT_MAX_MS = 1_000
T = TypeVar("T", KafkaAdminClient, KafkaConsumer, KafkaProducer)


class UnsuitableClient(ValueError):
    """A consumer or a producer whose options would lose or stall records. The message says what to change."""


class RejoiningConsumer(KafkaConsumer):  # type: ignore[misc]  # it has no types
    """A KafkaConsumer that rejoins its group after a change of the topics.

    kafka-python forgets a rebalance if a poll ends in the middle of it.
    """

    def poll(self, timeout_ms: int = 0, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the base class's
        """As the base class's, but a poll during a rebalance may take a second."""
        if self._coordinator.rejoining:
            self._coordinator.request_rejoin()
            timeout_ms = max(timeout_ms, _REJOIN_MS)
        return super().poll(timeout_ms, *args, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Makes clients, each of which connects when it is made.

    `bootstrap`: servers, separated by commas. `options`: more options of kafka-python for every client, for example
    `security_protocol`. `fetch_max_wait_ms`: a broker answers as soon as it has a record, or after this time.
    """

    bootstrap: str
    options: Mapping[str, Any] = field(default_factory=dict)
    session_timeout_ms: int = 6_000
    fetch_max_wait_ms: int = 500
    connect_timeout_ms: int = 3_000

    def producer(self) -> KafkaProducer:
        """Idempotent, so that a retry inside of it neither duplicates nor reorders records. Raises KafkaError."""
        return connected(
            KafkaProducer,
            **self._servers(),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_block_ms=self.connect_timeout_ms,
            request_timeout_ms=int(DELIVERY_TIMEOUT_S * 500),
            delivery_timeout_ms=int(DELIVERY_TIMEOUT_S * 1000),
            max_request_size=4 * 1024 * 1024,
        )

    def consumer(self, group: str, kind: type[KafkaConsumer] = RejoiningConsumer) -> KafkaConsumer:
        """A group member with manual commits that starts at the oldest record. Raises KafkaError."""
        consumer = connected(
            kind,
            **self._servers(),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # for a new group, or if retention deleted the offset
            max_poll_records=WHOLE_FETCH,
            fetch_max_bytes=1024 * 1024,
            fetch_max_wait_ms=self.fetch_max_wait_ms,
            max_partition_fetch_bytes=256 * 1024,
            # With as many partitions in each topic, all records of one key reach the same member.
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=self.session_timeout_ms,
            heartbeat_interval_ms=self.session_timeout_ms // 4,
        )
        pass_undecodable(consumer)
        return consumer

    def _servers(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.bootstrap,
            "bootstrap_timeout_ms": self.connect_timeout_ms,
            "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
            "metrics_enabled": False,
            **self.options,
        }


def check_consumer(consumer: KafkaConsumer) -> None:
    """Raises UnsuitableClient: with these options records would be lost, skipped or stalled."""
    config = consumer.config
    problems = {
        "group_id must name the bridge's group": not config["group_id"],
        "enable_auto_commit must be False: the bridge commits what is delivered": config["enable_auto_commit"],
        'auto_offset_reset must be "earliest": a new group would skip records': config["auto_offset_reset"]
        != "earliest",
        f"max_poll_records must be {WHOLE_FETCH:,}: a paused partition could stall": (
            config["max_poll_records"] < WHOLE_FETCH
        ),
        "key_deserializer and value_deserializer must be left out: decoders read bytes": (
            config["key_deserializer"] or config["value_deserializer"]
        ),
        "its class must be RejoiningConsumer: KafkaConsumer can miss partitions after a change of the topics": (
            not isinstance(consumer, RejoiningConsumer)
        ),
    }
    _raise_if_any("consumer", "KafkaConnection(...).consumer(group)", problems)


def checked_producer(connect: Callable[[], KafkaProducer], deadline_s: float) -> KafkaProducer:
    """Make a producer. Raises UnsuitableClient: it would lose or double records, or send them after their deadline."""
    producer = connect()
    config = producer.config
    problems = {
        'acks must be "all"': config["acks"] not in ("all", -1),
        "enable_idempotence must be True": not config["enable_idempotence"],
        f"delivery_timeout_ms must be below {deadline_s * 1000:,.0f}: a record must fail before it is repeated": (
            config["delivery_timeout_ms"] >= deadline_s * 1000
        ),
        "key_serializer and value_serializer must be left out": config["key_serializer"] or config["value_serializer"],
    }
    try:
        _raise_if_any("producer", "KafkaConnection(...).producer()", problems)
    except UnsuitableClient:
        close_producer(producer)
        raise
    return producer


def _raise_if_any(kind: str, alternative: str, problems: Mapping[str, Any]) -> None:
    found = [problem for problem, is_there in problems.items() if is_there]
    if found:
        raise UnsuitableClient(f"the Kafka {kind} does not suit: {'; '.join(found)}. Or use {alternative}")


def connected(kind: type[T], **options: Any) -> T:  # noqa: ANN401 - kafka-python's options, which have no types
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
