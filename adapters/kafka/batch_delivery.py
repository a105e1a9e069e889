"""Messages that came in one poll are handled in one transaction, as far as nothing is wrong with any of them.

What is not plain, as a poison message, a fault, a key that is parked, is left to `Delivery`, one message at a time.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence

import structlog

from adapters.gateway_prefetch import Prefetch
from adapters.kafka.away import DATABASE_AWAY
from adapters.kafka.cloudevents import ReceivedEvent, from_message
from adapters.kafka.delivery import POISON, Delivery, Reactions
from adapters.kafka.message import IncomingMessage
from adapters.sql.batch import Batch, Batches
from adapters.sql.chunks import chunked
from adapters.sql.faults import ConcurrentChange
from adapters.sql.inbox import Inbox

_AT_ONCE = 32
"""Few enough for their transaction to be short: others wait for it."""

_WORTH_A_BATCH = 2
"""A message by itself is handled sooner without one."""


class BatchedDelivery:
    """`batches`: None handles every message alone."""

    def __init__(
        self, alone: Delivery, reactions: Reactions, inbox: Inbox, batches: Batches | None, ahead: Prefetch
    ) -> None:
        self._alone = alone
        self._reactions = reactions
        self._inbox = inbox
        self._batches = batches
        self._ahead = ahead
        self._log = structlog.get_logger(__name__)

    @property
    def seconds_until_next(self) -> float:
        return self._alone.seconds_until_next

    def retry_due(self, partitions: Collection[tuple[str, int]]) -> None:
        self._alone.retry_due(partitions)

    def check(self) -> None:
        self._alone.check()

    def decide(self, messages: Sequence[IncomingMessage]) -> Iterator[IncomingMessage]:
        """Decide about the messages in their order, and yield each when its offset may be committed.

        Raises:
            NOTHING_DECIDED: those that were not yielded have to come again.
        """
        for some in chunked(messages, _AT_ONCE):
            rest = deque(some)
            try:
                while rest:
                    for _ in range(self._together(rest)):
                        yield rest.popleft()
                    if rest:
                        self._alone.receive(rest[0])
                        yield rest.popleft()
            finally:
                self._ahead.forget()

    def _together(self, messages: Collection[IncomingMessage]) -> int:
        """Handle the first of the messages, those that are plain, under one commit; return how many."""
        concerning = [place for place, message in enumerate(messages) if self._reactions.concern(message)]
        if self._batches is None or len(concerning) < _WORTH_A_BATCH:
            return concerning[0] if concerning else len(messages)
        plain = self._plain(messages)
        if not any(plain):
            return len(plain)
        try:
            with self._batches.open() as batch:
                for place, received in enumerate(plain):
                    if received is not None and not self._handled(received, batch):
                        return place
        except ConcurrentChange as collision:
            self._log.info("not handled together", error=repr(collision))
            return 0
        return len(plain)

    def _plain(self, messages: Collection[IncomingMessage]) -> list[ReceivedEvent | None]:
        """Read the first messages up to one that is not plain. None stands for one of which nothing is to be done."""
        plain: list[ReceivedEvent | None] = []
        for message in messages:
            try:
                plain.append(_read(message) if self._reactions.concern(message) else None)
            except POISON:
                break
        concern = [received.recorded for received in plain if received is not None]
        if not concern:
            return plain
        self._log.debug("handling together", messages=len(concern))
        standings = iter(self._inbox.statuses([(event.event_id, event.event.order_id) for event in concern]))
        for place, received in enumerate(plain):
            standing = next(standings) if received is not None else None
            if standing is not None and standing.key_is_parked:
                del plain[place:]
                break
            if standing is not None and standing.handled:
                plain[place] = None
        return self._ready(plain)

    def _ready(self, plain: list[ReceivedEvent | None]) -> list[ReceivedEvent | None]:
        places = [place for place, received in enumerate(plain) if received is not None]
        ready = self._ahead.ask([received.recorded.event for received in plain if received is not None])
        return plain[: places[ready]] if ready < len(places) else plain

    def _handled(self, received: ReceivedEvent, batch: Batch) -> bool:
        """Return False if something is wrong, and then nothing is done."""
        try:
            self._alone.react(received, within=batch)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - it is handled again, alone, where all that can be wrong is minded
            self._log.info("not handled together", error=repr(error), order_id=received.recorded.event.order_id)
            return False
        return True


def _read(message: IncomingMessage) -> ReceivedEvent:
    return from_message(message.key, message.value, message.headers)
