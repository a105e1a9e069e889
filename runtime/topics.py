"""Every topic of the estate: those of the choreography, and those that the bridges read and write."""

from kafka.errors import KafkaError

from adapters.kafka.topics import TOPICS, await_settled, dead_letters_of, ensure_topics
from runtime.errors import CannotRun
from runtime.kafka import kafka_connection, topic_shape
from runtime.settings import Settings

INCOMING_TOPICS = ("order-requests", "payment-settlements")
OUTGOING_TOPICS = ("saga-outcomes",)
CONSUMED_TOPICS = TOPICS + INCOMING_TOPICS
ALL_TOPICS = (*CONSUMED_TOPICS, *OUTGOING_TOPICS, *map(dead_letters_of, CONSUMED_TOPICS))
DEADLINE_S = 15.0


def create_topics(settings: Settings) -> None:
    """Make those that are missing. Blocks up to DEADLINE_S; raises CannotRun when the broker does not answer."""
    try:
        ensure_topics(kafka_connection(settings), topic_shape(settings), DEADLINE_S, ALL_TOPICS)
    except KafkaError as fault:
        raise CannotRun(f"the topics could not be made at {settings.kafka_bootstrap}: {fault!r}") from fault


def await_settled_topics(settings: Settings) -> None:
    """Wait until no client's question makes the broker make a topic anew. Raises CannotRun as `create_topics` does."""
    try:
        await_settled(kafka_connection(settings), DEADLINE_S)
    except KafkaError as fault:
        raise CannotRun(f"the topics at {settings.kafka_bootstrap} do not settle: {fault!r}") from fault
