from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

T = TypeVar("T", KafkaAdminClient, KafkaConsumer, KafkaProducer)


def connected(kind: type[T], **options: Any) -> T:  # noqa: ANN401 - kafka-python's options, which have no types
    """Make a client, or leave nothing behind.

    The constructors of kafka-python open sockets and start a thread before they connect. When they raise because they
    cannot connect, both are left running, in each attempt once more.
    """
    begun: list[Any] = []

    def remembered(**configuration: Any) -> Any:  # noqa: ANN401 - the same
        begun.append(kind.DEFAULT_CONFIG["kafka_client"](**configuration))
        return begun[0]

    try:
        return kind(kafka_client=remembered, **options)
    except BaseException:
        for inner in begun:
            inner.close()
        raise
