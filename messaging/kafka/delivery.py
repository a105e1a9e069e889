"""From poll to policy: decode each message, then handle it, park it for a later attempt, or make it a dead letter."""

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

import structlog

from messaging import tracing
from messaging.errors import Fault
from messaging.kafka.batch_delivery import BatchedDelivery
from messaging.kafka.dead_letters import DeadLetters, DeadLettersAway
from messaging.kafka.decoding import Decoded, Received, decode
from messaging.kafka.message import IncomingMessage
from messaging.kafka.message_spans import DEAD_LETTER, handling
from messaging.kafka.reactions import Reactions, run_reaction
from messaging.kafka.topics import is_dead_letters
from messaging.metrics import count_dead_letter
from messaging.sql.chunks import chunked
from messaging.sql.faults import DATABASE_AWAY
from messaging.sql.inbox import Inbox, KeyIsParked
from messaging.sql.parked import ParkedMessage, ParkedMessages
from messaging.unit_of_work import Clock

OUTAGES = (*DATABASE_AWAY, DeadLettersAway)
"""While one of these lasts no message can be handled: the same message must come again."""

_CHUNK = 32
"""Messages of one transaction at most. It stays short because other writers wait for it."""

_LOOK_EVERY_S = 1.0
_LOOK_SOON_S = 0.05
_DUE_AT_ONCE = 50


class Delivery:
    """For one thread only: a key stays in order because the same thread takes new messages and parked ones."""

    def __init__(
        self,
        reactions: Reactions,
        inbox: Inbox,
        parked: ParkedMessages,
        dead_letters: DeadLetters,
        batched: BatchedDelivery,
        clock: Clock,
    ) -> None:
        self._reactions = reactions
        self._inbox = inbox
        self._parked = parked
        self._dead_letters = dead_letters
        self._batched = batched
        self._clock = clock
        self._look_at = 0.0
        self._log = structlog.get_logger(__name__)

    @property
    def seconds_until_retry(self) -> float:
        """No parked message is due within this time."""
        return max(0.0, self._look_at - time.monotonic())

    def handle(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        """Handle the messages in order; yield each whose offset may be committed. Raises OUTAGES: repeat the others."""
        for chunk in chunked(messages, _CHUNK):
            decoded = [self._decoded(message) for message in chunk]
            place = 0
            try:
                while place < len(chunk):
                    together = self._batched.handle_first(decoded[place:])
                    yield from chunk[place : place + together]
                    place += together
                    if place < len(chunk):
                        with handling(decoded[place], self._reactions.vocabulary, self._inbox.trace_of):
                            self._handle_alone(decoded[place])
                        yield chunk[place]
                        place += 1
            finally:
                self._batched.discard_prefetched()

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None:
        """Retry the parked messages of these partitions that are due. Raises as `handle` does."""
        longest = timedelta(seconds=self._reactions.backoff.longest_s)
        due = self._parked.due(self._clock(), _DUE_AT_ONCE, partitions, longest=longest)
        for parked in due:
            decoded = decode(IncomingMessage.from_parked(parked), self._reactions.decoders)
            with handling(decoded, self._reactions.vocabulary, self._inbox.trace_of, attempt=parked.attempts + 1):
                self._retry(parked, decoded)
        self._look_at = time.monotonic() + (_LOOK_SOON_S if due or self._parked.count() else _LOOK_EVERY_S)

    def check(self) -> None:
        """Raises DATABASE_AWAY while the database is away."""
        self._parked.count()

    def _decoded(self, message: IncomingMessage) -> Decoded:
        if message.error is not None:
            return Decoded(message, error=message.error)
        return decode(message, self._reactions.decoders)

    def _handle_alone(self, decoded: Decoded) -> None:
        error = decoded.error
        try:
            if decoded.received is not None:
                self._handle_or_park(decoded.message, decoded.received)
        except OUTAGES:
            raise
        except Exception as raised:  # noqa: BLE001 - whatever is wrong with one message, its partition goes on
            error = raised
        if error is not None:
            self._bury(decoded.message, error, attempts=1)

    def _handle_or_park(self, message: IncomingMessage, received: Received) -> None:
        try:
            reaction = self._reactions.on[received.event.type]
            run_reaction(reaction, received, self._inbox, check_inbox=True)
        except KeyIsParked:
            tracing.event("parked behind an earlier message")
            self._park(message, received, attempts=0, error="waits behind an earlier message of its key")
        except OUTAGES:
            raise
        except Fault as fault:
            tracing.event("parked", fault)
            self._log.warning("parked", type=received.event.type, error=str(fault))
            self._park(message, received, attempts=1, error=_storable(fault))

    def _park(self, message: IncomingMessage, received: Received, *, attempts: int, error: str) -> None:
        wait_s = self._reactions.delay_s(attempts) if attempts else 0.0
        self._parked.park(
            ParkedMessage(
                message_id=received.message_id,
                key=received.key,
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

    def _retry(self, parked: ParkedMessage, decoded: Decoded) -> None:
        received, attempts = decoded.received, parked.attempts + 1
        if decoded.error is not None:  # parked by a version that could read it
            self._bury(decoded.message, decoded.error, attempts)
        elif received is not None:
            try:
                if not self._inbox.handled(received.message_id):
                    reaction = self._reactions.after(parked.attempts, received.event.type)
                    run_reaction(reaction, received, self._inbox)
            except OUTAGES:
                raise
            except Fault as fault:
                if attempts < self._reactions.limit(received.event.type):
                    next_at = self._clock() + timedelta(seconds=self._reactions.delay_s(attempts))
                    tracing.event("parked", fault)
                    self._parked.reschedule(parked.message_id, attempts, next_at, _storable(fault))
                    return
                self._bury(decoded.message, fault, attempts)
            except Exception as error:  # noqa: BLE001 - as in `_handle_alone`
                self._bury(decoded.message, error, attempts)
        # Last: a crash before it repeats the retry, and the inbox recognises what was done.
        self._parked.remove(parked.message_id)

    def _bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:
        tracing.event(DEAD_LETTER, error)
        self._log.error(
            "dead letter",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            error=f"{type(error).__name__}: {error}",
            attempts=attempts,
        )
        count_dead_letter(self._dead_letters.group, message.topic, error)
        if not is_dead_letters(message.topic):  # a dead letter that cannot be handled stays where it is
            self._dead_letters.bury(message, error, attempts)


def _storable(fault: Fault) -> str:
    """Return its text without lone surrogates and NUL, one of which each database refuses: it may quote a message."""
    return str(fault).encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
