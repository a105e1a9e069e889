"""One service of the choreography: its consumer group member, its relay and, for payments, the expiry of pix."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

from adapters.clock import utc_now
from adapters.codec import UndecodableEvent, decode_event
from choreography.routing import GIVEN_UP_NEEDS_ATTENTION, OUT_OF_ATTEMPTS, ROUTING, Policy, tag_of
from domain.commands import FailedCompensation, ShowAttention
from domain.errors import UnknownOrder
from domain.events import Event
from domain.order import Reason, Step
from messaging import tracing
from messaging.kafka.batch_delivery import BatchedDelivery
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letters import DEAD_LETTER, DeadLetter, DeadLetters
from messaging.kafka.decoding import dead_letter_decoder, decode_settlement, event_decoder
from messaging.kafka.delivery import Delivery
from messaging.kafka.group_consumer import COMMIT_WITHIN_S, GroupMember
from messaging.kafka.message import condemned
from messaging.kafka.reactions import Reaction, Reactions
from messaging.kafka.relay import Relay
from messaging.kafka.topics import SETTLEMENTS, TOPICS, dead_letters_of, topic_of
from messaging.sql.unit_of_work import MessageContext
from processes.choreography.pix_expiry import PixExpiry
from runtime.wiring import ConsumingService
from services.names import ORDER_SERVICE, PAYMENT_SERVICE
from services.orders.service import OrderService
from services.unit_of_work import Clock
from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.isolation import Isolation

KNOWN_TYPES = frozenset(tag_of(event) for event in get_args(Event))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTiming:
    """`attempts` and `backoff` of parked messages, and seconds: between sweeps for expired payments, until a commit."""

    attempts: int = 8
    backoff: Backoff = field(default_factory=Backoff)
    sweep_every_s: float = 1.0
    commit_within_s: float = COMMIT_WITHIN_S


class ChoreographedService:
    def __init__(
        self,
        consuming: ConsumingService[Any],
        connection: KafkaConnection,
        timing: ServiceTiming,
        clock: Clock = utc_now,
        *,
        installation: str = "",
    ) -> None:
        name = consuming.name
        self._dead_letters = DeadLetters(connection, group=name)
        self._relay = Relay(consuming.outbox, connection, installation)
        self._member = GroupMember(
            connection,
            name,
            topics_read_by(name),
            delivery_of(consuming, self._dead_letters, timing, clock, installation),
            isolation=Isolation(consuming.attempts, condemned),
            before_poll=self._relay.give_way,
            commit_within_s=timing.commit_within_s,
        )
        self._expiry = (
            PixExpiry(consuming.service_for, timing.sweep_every_s, consuming.inbox.trace_of)
            if name == PAYMENT_SERVICE
            else None
        )

    def run(self, stop: threading.Event, joined: threading.Event) -> None:
        """Work until `stop` is set, then finish the current messages and leave the group.

        If one of the threads fails, the others stop too, and its error is raised.
        """
        tasks: list[Callable[[], None]] = [partial(self._member.run, stop, joined), partial(self._relay.run, stop)]
        if self._expiry is not None:
            tasks.append(partial(self._expiry.run, stop))
        try:
            _run_until_one_fails(tasks, stop)
        finally:
            self._dead_letters.close()


def topics_read_by(name: str) -> Sequence[str]:
    """The topics of the events that a service reacts to. The Order service also reads the dead letters of all."""
    topics = {topic_of(tag_of(event)) for event in ROUTING[name]}
    if name == ORDER_SERVICE:
        topics |= set(map(dead_letters_of, TOPICS))
    return sorted(topics)


def delivery_of(
    consuming: ConsumingService[Any],
    dead_letters: DeadLetters,
    timing: ServiceTiming,
    clock: Clock,
    installation: str = "",
) -> Delivery:
    """The way of a service's messages, from poll to policy."""
    reactions = _reactions(consuming, timing, installation)
    batched = BatchedDelivery(reactions, consuming.inbox, consuming.batches, consuming.prefetch)
    return Delivery(reactions, consuming.inbox, consuming.parked, dead_letters, batched, clock)


def _reactions(consuming: ConsumingService[Any], timing: ServiceTiming, installation: str) -> Reactions:
    def bound(policy: Policy) -> Reaction:
        def react(context: MessageContext, event: object) -> None:
            tracing.note({"policy": policy.__name__})
            policy(event, consuming.service_for(context))

        return react

    on = {tag_of(event): bound(policy) for event, policy in ROUTING[consuming.name].items()}
    if consuming.name == ORDER_SERVICE:
        on[DEAD_LETTER] = bound(_mark_order)
    instead = OUT_OF_ATTEMPTS.get(consuming.name, {})
    return Reactions(
        decoders={
            **dict.fromkeys(TOPICS, event_decoder(KNOWN_TYPES - on.keys(), installation)),
            SETTLEMENTS: decode_settlement,
            **dict.fromkeys(map(dead_letters_of, TOPICS), dead_letter_decoder(installation)),
        },
        on=on,
        out_of_attempts={tag_of(event): bound(policy) for event, policy in instead.items()},
        attempts=timing.attempts,
        backoff=timing.backoff,
    )


def _mark_order(letter: DeadLetter, orders: OrderService) -> None:
    """An order whose compensation became a dead letter needs an operator."""
    if letter.event_type in GIVEN_UP_NEEDS_ATTENTION.get(letter.group, ()):
        # Each of these events asks for the money back, so the compensation that failed is always the refund.
        failed = FailedCompensation(step=Step.REFUND_PAYMENT, error=letter.error, reason=_reason_in(letter))
        with suppress(UnknownOrder):
            orders.show_attention(ShowAttention(order_id=letter.order_id, failed=failed))


def _reason_in(letter: DeadLetter) -> Reason | None:
    """`order.created` carries no reason: it asks for a refund only after its charge ran out of attempts."""
    try:
        event = decode_event(letter.value or b"")
    except UndecodableEvent:
        return None
    return getattr(event, "reason", Reason.TIMED_OUT)


def _run_until_one_fails(tasks: list[Callable[[], None]], stop: threading.Event) -> None:
    with ThreadPoolExecutor(len(tasks)) as threads:
        running = [threads.submit(task) for task in tasks]
        for done in as_completed(running):
            if done.exception() is not None:
                stop.set()
    for done in running:
        done.result()
