"""One service of a choreographed saga: a member of its consumer group, its relay, and what else it does meanwhile."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from messaging import tracing
from messaging.kafka.batch_delivery import BatchedDelivery
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letters import DEAD_LETTER, DeadLetter, DeadLetters
from messaging.kafka.decoding import Decoder, dead_letter_decoder, event_decoder
from messaging.kafka.delivery import Delivery
from messaging.kafka.group_consumer import COMMIT_WITHIN_S, GroupMember
from messaging.kafka.message import condemned
from messaging.kafka.reactions import Reaction, Reactions
from messaging.kafka.relay import Relay
from messaging.kafka.topics import dead_letters_of
from messaging.sql.consuming import ConsumingService
from messaging.sql.unit_of_work import MessageContext
from messaging.unit_of_work import Clock
from messaging.vocabulary import Vocabulary, tag_of
from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.isolation import Isolation

Policy = Callable[[Any, Any], None]
"""Takes an event and the service that reacts to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """How a service reacts, by the class of the event.

    `out_of_attempts` replaces a policy after its last attempt. Without an entry the event becomes a dead letter.
    `on_dead_letter`: reacts to the dead letters of all services of the saga. `decoders`: of the topics from outside.
    """

    on: Mapping[type[Any], Policy]
    out_of_attempts: Mapping[type[Any], Policy] = field(default_factory=dict)
    on_dead_letter: Callable[[DeadLetter, Any], None] | None = None
    decoders: Mapping[str, Decoder] = field(default_factory=dict)

    def topics(self, vocabulary: Vocabulary[Any]) -> Sequence[str]:
        """The topics that the service reads."""
        topics = {vocabulary.topic_of(tag_of(event)) for event in self.on}
        if self.on_dead_letter is not None:
            topics |= set(map(dead_letters_of, vocabulary.topics))
        return sorted(topics)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTiming:
    """`attempts` and `backoff` of parked messages; `commit_within_s`: seconds from handling a message to the commit."""

    attempts: int = 8
    backoff: Backoff = field(default_factory=Backoff)
    commit_within_s: float = COMMIT_WITHIN_S


class ChoreographedService:
    def __init__(  # noqa: PLR0913 - what it is put together from
        self,
        consuming: ConsumingService[Any],
        policies: Policies,
        connection: KafkaConnection,
        timing: ServiceTiming,
        clock: Clock,
        *,
        installation: str = "",
        beside: Sequence[Callable[[threading.Event], None]] = (),
    ) -> None:
        """`beside`: runs in threads of their own until the event is set. `installation`: see `refuse_misplaced`."""
        name, vocabulary = consuming.name, consuming.vocabulary
        self._dead_letters = DeadLetters(connection, group=name)
        self._relay = Relay(consuming.outbox, connection, vocabulary, installation)
        self._member = GroupMember(
            connection,
            name,
            policies.topics(vocabulary),
            delivery_of(consuming, policies, self._dead_letters, timing, clock, installation=installation),
            isolation=Isolation(consuming.attempts, condemned),
            before_poll=self._relay.give_way,
            commit_within_s=timing.commit_within_s,
        )
        self._beside = beside

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Work until `stop` is set, then finish the current messages and leave the group.

        `joined` is set once the consumer has its partitions. If one of the threads fails, the others stop too, and its
        error is raised.
        """
        tasks = [
            partial(self._member.run, stop, joined),
            *(partial(run, stop) for run in (self._relay.run, *self._beside)),
        ]
        try:
            _run_until_one_fails(tasks, stop)
        finally:
            self._dead_letters.close()


def delivery_of(
    consuming: ConsumingService[Any],
    policies: Policies,
    dead_letters: DeadLetters,
    timing: ServiceTiming,
    clock: Clock,
    *,
    installation: str = "",
) -> Delivery:
    """The way of a service's messages, from poll to policy."""
    reactions = _reactions(consuming, policies, timing, installation)
    batched = BatchedDelivery(reactions, consuming.inbox, consuming.batches, consuming.prefetch)
    return Delivery(reactions, consuming.inbox, consuming.parked, dead_letters, batched, clock)


def _reactions(
    consuming: ConsumingService[Any], policies: Policies, timing: ServiceTiming, installation: str
) -> Reactions:
    def bound(policy: Policy) -> Reaction:
        def react(context: MessageContext, event: object) -> None:
            tracing.note({"policy": policy.__name__})
            policy(event, consuming.service_for(context))

        return react

    vocabulary = consuming.vocabulary
    on = {tag_of(event): bound(policy) for event, policy in policies.on.items()}
    if policies.on_dead_letter is not None:
        on[DEAD_LETTER] = bound(policies.on_dead_letter)
    own, letters = vocabulary.topics, map(dead_letters_of, vocabulary.topics)
    return Reactions(
        vocabulary=vocabulary,
        decoders={
            **dict.fromkeys(own, event_decoder(vocabulary, vocabulary.types - on.keys(), installation)),
            **policies.decoders,
            **dict.fromkeys(letters, dead_letter_decoder(vocabulary, installation)),
        },
        on=on,
        out_of_attempts={tag_of(event): bound(policy) for event, policy in policies.out_of_attempts.items()},
        attempts=timing.attempts,
        backoff=timing.backoff,
    )


def _run_until_one_fails(tasks: Sequence[Callable[[], None]], stop: threading.Event) -> None:
    with ThreadPoolExecutor(len(tasks)) as threads:
        running = [threads.submit(task) for task in tasks]
        for done in as_completed(running):
            if done.exception() is not None:
                stop.set()
    for done in running:
        done.result()
