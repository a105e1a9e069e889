"""What becomes of one message: it is handled, parked for a later attempt, or buried among the dead letters."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from adapters.codec import UndecodableEvent, UnknownEventType
from adapters.kafka.away import DATABASE_AWAY
from adapters.kafka.cloudevents import NotACloudEvent, ReceivedEvent, from_message, type_header
from adapters.kafka.dead_letters import DeadLetters, DeadLettersAway
from adapters.kafka.message import IncomingMessage
from adapters.sql.batch import Batch
from adapters.sql.inbox import AlreadyHandled, Inbox, KeyIsParked
from adapters.sql.parked import ParkedMessage, ParkedMessages
from adapters.sql.unit_of_work import MessageContext
from domain.errors import Fault
from domain.events import Event
from services.unit_of_work import Clock
from twinsaga_bridges.backoff import Backoff

Reaction = Callable[[MessageContext, Event], None]
"""Runs a policy so that inbox row, effect and resulting event are one transaction."""

NOTHING_DECIDED = (*DATABASE_AWAY, DeadLettersAway)
POISON = (NotACloudEvent, UndecodableEvent, UnknownEventType)
_LOOK_EVERY_S = 1.0
_LOOK_SOON_S = 0.05
_DUE_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactions:
    """By event type. `out_of_attempts` is what to do instead when `on` faulted `attempts` times."""

    known: frozenset[str]
    on: Mapping[str, Reaction]
    out_of_attempts: Mapping[str, Reaction]
    attempts: int = 8
    backoff: Backoff = field(default_factory=Backoff)

    def concern(self, message: IncomingMessage) -> bool:
        """Whether there is more to it than that somebody else reacts. It may be poison."""
        event_type = type_header(message.headers)
        return event_type in self.on or event_type not in self.known


class Delivery:
    """Not for two threads: that one thread takes new messages and parked ones is what keeps each key in order."""

    def __init__(
        self, reactions: Reactions, inbox: Inbox, parked: ParkedMessages, dead_letters: DeadLetters, clock: Clock
    ) -> None:
        self._reactions = reactions
        self._inbox = inbox
        self._parked = parked
        self._dead_letters = dead_letters
        self._clock = clock
        self._look_at = 0.0
        self._log = structlog.get_logger(__name__)

    @property
    def seconds_until_next(self) -> float:
        """How long nothing parked can be due."""
        return max(0.0, self._look_at - time.monotonic())

    def receive(self, message: IncomingMessage) -> None:
        """Decide about a message that came just now; after that its offset may be committed.

        Raises:
            NOTHING_DECIDED: the same message has to come again.
        """
        if not self._reactions.concern(message):
            return
        try:
            received = from_message(message.key, message.value, message.headers)
        except POISON as poison:
            self._bury(message, poison, attempts=1)
            return
        recorded = received.recorded
        try:
            self.react(received, unseen=True)
        except KeyIsParked:
            self._park(message, received, attempts=0, error="waits behind an earlier message of its order")
        except NOTHING_DECIDED:
            raise
        except Fault as fault:
            self._log.warning("parked", order_id=recorded.event.order_id, type=recorded.event.type, error=str(fault))
            self._park(message, received, attempts=1, error=str(fault))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one message, its partition goes on
            self._bury(message, error, attempts=1)

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None:
        """Try parked messages of these partitions again whose time has come. Raises as `receive` does."""
        due = self._parked.due(self._clock(), _DUE_AT_ONCE, partitions)
        for parked in due:
            self._retry(parked)
        self._look_at = time.monotonic() + (_LOOK_SOON_S if due or self._parked.count() else _LOOK_EVERY_S)

    def check(self) -> None:
        """Raises as `receive` does while the database is away."""
        self._parked.count()

    def react(
        self,
        received: ReceivedEvent,
        reaction: Reaction | None = None,
        *,
        within: Batch | None = None,
        unseen: bool = False,
    ) -> None:
        """Run a reaction, that to the event's type if no other is given, once: not for what the inbox holds.

        `unseen`: nobody has looked yet how the message stands.

        Raises whatever the reaction does, and KeyIsParked for an unseen message behind a parked one of its order.
        """
        recorded = received.recorded
        handling = MessageContext(
            message_id=recorded.event_id,
            traceparent=received.traceparent,
            within=within,
            check_inbox_for=recorded.event.order_id if unseen else None,
        )
        with suppress(AlreadyHandled):
            (reaction or self._reactions.on[recorded.event.type])(handling, recorded.event)
            if not handling.in_inbox:  # nothing had to change, so nothing was recorded
                self._inbox.mark(recorded.event_id, within)

    def _park(self, message: IncomingMessage, received: ReceivedEvent, *, attempts: int, error: str) -> None:
        wait_s = self._reactions.backoff.after(attempts) if attempts else 0.0
        self._parked.park(
            ParkedMessage(
                message_id=received.recorded.event_id,
                key=received.recorded.event.order_id,
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                timestamp_ms=message.timestamp_ms,
                headers=tuple(message.headers),
                value=message.value or b"",
                attempts=attempts,
                next_attempt_at=self._clock() + timedelta(seconds=wait_s),
                last_error=error,
            )
        )
        self._look_at = min(self._look_at, time.monotonic() + _LOOK_SOON_S)

    def _retry(self, parked: ParkedMessage) -> None:
        message = IncomingMessage.from_parked(parked)
        attempts = parked.attempts + 1
        try:
            received = from_message(message.key, message.value, message.headers)
            event_type = received.recorded.event.type
            instead = self._reactions.out_of_attempts.get(event_type)
            given_up = instead is not None and parked.attempts >= self._reactions.attempts
            if not self._inbox.handled(parked.message_id):
                self.react(received, instead if given_up else None)
        except NOTHING_DECIDED:
            raise
        except Fault as fault:
            if attempts < self._limit(parked):
                enough = self._reactions.attempts
                wait_s = self._reactions.backoff.after(attempts if attempts < enough else attempts - enough + 1)
                self._parked.reschedule(
                    parked.message_id, attempts, self._clock() + timedelta(seconds=wait_s), str(fault)
                )
                return
            self._bury(message, fault, attempts)
        except Exception as error:  # noqa: BLE001 - as in `receive`
            self._bury(message, error, attempts)
        self._parked.remove(parked.message_id)

    def _limit(self, parked: ParkedMessage) -> int:
        """What is done instead may fault too, and has as many attempts again."""
        event_type = type_header(parked.headers)
        return self._reactions.attempts * (2 if event_type in self._reactions.out_of_attempts else 1)

    def _bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:
        self._log.error(
            "dead letter",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            error=f"{type(error).__name__}: {error}",
            attempts=attempts,
        )
        self._dead_letters.bury(message, error, attempts)
