from adapters.kafka.connection import KafkaConnection
from adapters.kafka.security import KafkaSecurity
from adapters.kafka.topics import TopicShape
from runtime.settings import Settings


def kafka_security(settings: Settings) -> KafkaSecurity:
    return KafkaSecurity(
        protocol=settings.kafka_security_protocol,
        mechanism=settings.kafka_sasl_mechanism,
        user=settings.kafka_user,
        password=settings.kafka_password.get_secret_value() if settings.kafka_password else None,
        ca_file=settings.kafka_ca_file,
    )


def kafka_connection(settings: Settings) -> KafkaConnection:
    """Nothing connects before a client is asked for."""
    return KafkaConnection(
        bootstrap=settings.kafka_bootstrap,
        session_timeout_ms=settings.session_timeout_ms,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        security=kafka_security(settings),
    )


def topic_shape(settings: Settings) -> TopicShape:
    return TopicShape(partitions=settings.topic_partitions, replicas=settings.topic_replicas)
