"""One service of the choreography: its member of the consumer group, its relay and, for payments, the expiry of pix."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

from adapters.clock import utc_now
from adapters.kafka.batch_delivery import BatchedDelivery
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.dead_letter_listener import DeadLettersHeard
from adapters.kafka.dead_letters import DeadLetters
from adapters.kafka.delivery import Delivery, Reaction, Reactions
from adapters.kafka.group_consumer import GroupMember
from adapters.kafka.message import Deciding
from adapters.kafka.relay import Relay
from adapters.kafka.settlements import SettlementsHeard
from adapters.kafka.topics import TOPICS, dead_letters_of, topic_of
from choreography.routing import ORDER_SERVICE, OUT_OF_ATTEMPTS, PAYMENT_SERVICE, ROUTING, Policy, tag_of
from domain.events import Event
from processes.choreography.attention import attention_to_dead_letters
from processes.choreography.pix_expiry import PixExpiry
from runtime.wiring import ConsumingService
from services.unit_of_work import Clock
from twinsaga_bridges.backoff import Backoff

KNOWN_TYPES = frozenset(tag_of(event) for event in get_args(Event))


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a parked message is tried and after which delays, and how often expired payments are looked for."""

    attempts: int = 8
    backoff: Backoff = field(default_factory=Backoff)
    sweep_every_s: float = 1.0


class ChoreographedService:
    def __init__(
        self,
        consuming: ConsumingService[Any],
        connection: KafkaConnection,
        patience: Patience,
        clock: Clock = utc_now,
    ) -> None:
        name = consuming.name
        self._dead_letters = DeadLetters(connection, group=name)
        deliveries: Deciding = deliveries_of(consuming, self._dead_letters, patience, clock)
        if name == ORDER_SERVICE:
            deliveries = DeadLettersHeard(deliveries, attention_to_dead_letters(consuming.service_for))
        if name == PAYMENT_SERVICE:
            deliveries = SettlementsHeard(deliveries)
        self._relay = Relay(consuming.outbox, connection)
        self._member = GroupMember(connection, name, topics_read_by(name), deliveries, self._relay.give_way)
        self._expiry = PixExpiry(consuming.service_for, patience.sweep_every_s) if name == PAYMENT_SERVICE else None

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Work until `stop` is set, then finish what is in hand and leave the group.

        If one of its parts breaks, the others stop too, and its error is raised.
        """
        tasks: list[Callable[[], None]] = [partial(self._member.run, stop, joined), partial(self._relay.run, stop)]
        if self._expiry is not None:
            tasks.append(partial(self._expiry.run, stop))
        try:
            _run_until_one_breaks(tasks, stop)
        finally:
            self._dead_letters.close()


def deliveries_of(
    consuming: ConsumingService[Any], dead_letters: DeadLetters, patience: Patience, clock: Clock
) -> BatchedDelivery:
    """What becomes of the messages of a service that come as our own events."""
    reactions = _reactions(consuming, patience)
    alone = Delivery(reactions, consuming.inbox, consuming.parked, dead_letters, clock)
    return BatchedDelivery(alone, reactions, consuming.inbox, consuming.batches, consuming.ahead)


def topics_read_by(name: str) -> Sequence[str]:
    """The topics of the events that a service reacts to. The Order service also hears what was given up anywhere."""
    topics = {topic_of(tag_of(event)) for event in ROUTING[name]}
    if name == ORDER_SERVICE:
        topics |= set(map(dead_letters_of, TOPICS))
    return sorted(topics)


def _reactions(consuming: ConsumingService[Any], patience: Patience) -> Reactions:
    def bound(policy: Policy) -> Reaction:
        return lambda handling, event: policy(event, consuming.service_for(handling))

    instead = OUT_OF_ATTEMPTS.get(consuming.name, {})
    return Reactions(
        known=KNOWN_TYPES,
        on={tag_of(event): bound(policy) for event, policy in ROUTING[consuming.name].items()},
        out_of_attempts={tag_of(event): bound(policy) for event, policy in instead.items()},
        attempts=patience.attempts,
        backoff=patience.backoff,
    )


def _run_until_one_breaks(tasks: list[Callable[[], None]], stop: threading.Event) -> None:
    with ThreadPoolExecutor(len(tasks)) as threads:
        running = [threads.submit(task) for task in tasks]
        for done in as_completed(running):
            if done.exception() is not None:
                stop.set()
    for done in running:
        done.result()
