"""What each process may read and write on Kafka, and the access control lists that enforce it.

The user of a process has the name of the process. Everything is derived from the tables by which the processes work.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, get_args

from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from kafka.errors import KafkaError

from domain.events import Event
from messaging.kafka.topics import dead_letters_of, is_dead_letters
from messaging.vocabulary import tag_of
from processes import order_mails
from processes.choreography.service import topics_read_by
from processes.kafka_bridge import routes
from runtime.errors import CannotRun
from runtime.kafka import ALL_TOPICS, CONSUMED_TOPICS, OUTGOING_TOPICS, kafka_connection
from runtime.settings import Settings
from services.names import SERVICES
from services.vocabulary import ORDER_EVENTS, SETTLEMENTS, TOPICS

DEADLINE_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`watched_groups`: groups of others whose offsets it may see."""

    user: str
    reads: Sequence[str] = ()
    writes: Sequence[str] = ()
    group: str | None = None
    watched_groups: Sequence[str] = ()

    def acls(self) -> Iterator[ACL]:
        yield from (self._may(ACLOperation.READ, ResourceType.TOPIC, topic) for topic in self.reads)
        yield from (self._may(ACLOperation.WRITE, ResourceType.TOPIC, topic) for topic in self.writes)
        yield from (self._may(ACLOperation.DESCRIBE, ResourceType.GROUP, group) for group in self.watched_groups)
        if self.group is not None:
            yield self._may(ACLOperation.READ, ResourceType.GROUP, self.group)

    def _may(self, operation: ACLOperation, kind: ResourceType, name: str) -> ACL:
        return ACL(f"User:{self.user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name))


def accesses(settings: Settings) -> Sequence[Access]:
    bridge_reads = list(routes.topics_read(settings))
    return [
        *map(_of_service, SERVICES),
        Access(
            user="kafka-bridge",
            reads=bridge_reads,
            writes=[
                dead_letters_of(topic) for topic in bridge_reads if topic not in TOPICS and not is_dead_letters(topic)
            ],
            group=routes.GROUP,
        ),
        Access(user="order-mails", reads=order_mails.TOPICS, group=order_mails.GROUP),
        Access(user="saga-worker", writes=OUTGOING_TOPICS),
        # It publishes settlements, reads all dead letters and sends them to their topics again.
        Access(
            user="api",
            reads=ALL_TOPICS,
            writes=[SETTLEMENTS, *(topic for topic in CONSUMED_TOPICS if topic != SETTLEMENTS)],
            watched_groups=[*SERVICES, routes.GROUP, order_mails.GROUP],
        ),
    ]


def _of_service(name: str) -> Access:
    reads = topics_read_by(name)
    own = {
        ORDER_EVENTS.topic_of(tag_of(event))
        for event in get_args(Event)
        if ORDER_EVENTS.publisher_of(tag_of(event)) == name
    }
    letters = {dead_letters_of(topic) for topic in reads if not is_dead_letters(topic)}
    return Access(user=name, reads=reads, writes=sorted(own | letters), group=name)


def create_acls(settings: Settings) -> Sequence[Access]:
    """Create the lists; those that exist stay. Blocks up to DEADLINE_S. Raises CannotRun: no answer, or not allowed."""
    found = accesses(settings)
    try:
        with closing(kafka_connection(settings).admin(DEADLINE_S)) as admin:
            answer = admin.create_acls([acl for access in found for acl in access.acls()])
    except KafkaError as fault:
        raise CannotRun(f"the access control lists could not be created: {fault!r}") from fault
    if refused := answer["failed"]:
        raise CannotRun(f"the broker refused {len(refused)} of the access control lists: {refused[0].__name__}")
    return found
