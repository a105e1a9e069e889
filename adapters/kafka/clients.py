import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

T = TypeVar("T", KafkaAdminClient, KafkaConsumer, KafkaProducer)


def connected(kind: type[T], **options: Any) -> T:  # noqa: ANN401 - kafka-python's options, which have no types
    """Make a client, or leave nothing behind and say why.

    The constructors of kafka-python open sockets and start a thread before they connect. When they raise because they
    cannot connect, both are left running, in each attempt once more.
    """
    begun: list[Any] = []

    def remembered(**configuration: Any) -> Any:  # noqa: ANN401 - the same
        begun.append(kind.DEFAULT_CONFIG["kafka_client"](**configuration))
        return begun[0]

    try:
        with _told_why():
            return kind(kafka_client=remembered, **options)
    except BaseException:
        for inner in begun:
            inner.close()
        raise


class _Reason(logging.Handler):
    """What was wrong with the first connection that failed."""

    first = ""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(error, Exception):
            self.first = self.first or str(error)


@contextmanager
def _told_why() -> Iterator[None]:
    """What kafka-python raises says that time is over. That a password or a certificate is wrong, its log says only."""
    reason, log = _Reason(logging.ERROR), logging.getLogger("kafka.net.connection")
    log.addHandler(reason)
    try:
        yield
    except KafkaError as error:
        if reason.first:
            error.args = (f"{', '.join(map(str, error.args))}: {reason.first}",)
        raise
    finally:
        log.removeHandler(reason)
