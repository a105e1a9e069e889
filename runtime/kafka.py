"""The connection to Kafka, and every topic: those of the choreography, and those that the bridges read and write."""

from kafka.errors import KafkaError

from messaging.kafka.connection import KafkaConnection, missing_codecs
from messaging.kafka.security import KafkaSecurity
from messaging.kafka.topics import TopicShape, await_settled, dead_letters_of, ensure_topics
from runtime.errors import CannotRun
from runtime.settings import Settings
from services.names import SAGA_OUTCOMES
from services.vocabulary import TOPICS

INCOMING_TOPICS = ("order-requests", "payment-settlements")
OUTGOING_TOPICS = (SAGA_OUTCOMES,)
CONSUMED_TOPICS = TOPICS + INCOMING_TOPICS
ALL_TOPICS = (*CONSUMED_TOPICS, *OUTGOING_TOPICS, *map(dead_letters_of, CONSUMED_TOPICS))
DEADLINE_S = 15.0


def kafka_security(settings: Settings) -> KafkaSecurity:
    return KafkaSecurity(
        protocol=settings.kafka_security_protocol,
        mechanism=settings.kafka_sasl_mechanism,
        user=settings.kafka_user,
        password=settings.kafka_password.get_secret_value() if settings.kafka_password else None,
        ca_file=settings.kafka_ca_file,
    )


def kafka_connection(settings: Settings) -> KafkaConnection:
    """Connects lazily: each client connects when it is created. Raises CannotRun if a codec is missing."""
    if missing := missing_codecs():
        raise CannotRun(
            f"records that are compressed with {', '.join(missing)} could not be read: install python-snappy, lz4 and"
            " zstandard, which are dependencies of twinsaga"
        )
    return KafkaConnection(
        bootstrap=settings.kafka_bootstrap,
        session_timeout_ms=settings.session_timeout_ms,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        security=kafka_security(settings),
    )


def topic_shape(settings: Settings) -> TopicShape:
    return TopicShape(partitions=settings.topic_partitions, replicas=settings.topic_replicas)


def create_topics(settings: Settings) -> None:
    """Create the missing topics. Blocks up to DEADLINE_S; raises CannotRun if the broker does not answer."""
    try:
        ensure_topics(kafka_connection(settings), topic_shape(settings), DEADLINE_S, ALL_TOPICS)
    except KafkaError as fault:
        raise CannotRun(f"the topics could not be created at {settings.kafka_bootstrap}: {fault!r}") from fault


def await_settled_topics(settings: Settings) -> None:
    """Wait until metadata requests of clients no longer recreate topics. Raises CannotRun as `create_topics` does."""
    try:
        await_settled(kafka_connection(settings), DEADLINE_S, TOPICS)
    except KafkaError as fault:
        raise CannotRun(f"the topics at {settings.kafka_bootstrap} do not settle: {fault!r}") from fault
