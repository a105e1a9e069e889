"""Partitions are added to a topic while its consumer group runs."""

from contextlib import closing

from kafka.admin import NewPartitions

from messaging.kafka.connection import KafkaConnection
from messaging.kafka.topics import TopicShape, ensure_topics
from tests.support.real_servers import SHORTEST_SESSION_MS, given_servers
from tests.support.waiting import eventually

TOPIC = "letters"
SHORT_POLL_MS = 1
"""Shorter than any rebalance."""


def test_a_member_is_assigned_new_partitions_even_with_short_polls() -> None:
    servers = given_servers()
    assert servers is not None
    servers.forget_topics()
    connection = KafkaConnection(bootstrap=servers.kafka, session_timeout_ms=SHORTEST_SESSION_MS, fetch_max_wait_ms=500)
    ensure_topics(connection, TopicShape(partitions=1), 20, [TOPIC])
    with closing(connection.consumer("readers")) as consumer, closing(connection.admin(20)) as admin:
        consumer.subscribe([TOPIC])
        for partitions in (1, 2, 3):
            if partitions > 1:
                admin.create_partitions({TOPIC: NewPartitions(total_count=partitions)})
                consumer._coordinator._cluster.request_update()  # as it does by itself every five minutes

            def has_all(wanted: int = partitions) -> bool:
                consumer.poll(SHORT_POLL_MS)
                return len(consumer.assignment()) == wanted

            eventually(has_all, f"it has {partitions} partitions")
