"""Handles messages of one poll in one transaction, as long as nothing is wrong with any of them.

A commit, synced to disk, costs more than the work of one message. Poison, faults and parked keys are left to
`Delivery`, which handles one message at a time.
"""

from collections.abc import Sequence
from itertools import takewhile

import structlog

from messaging import tracing
from messaging.kafka.decoding import Decoded, Received
from messaging.kafka.message_spans import handling, shared_commit
from messaging.kafka.reactions import HANDLED_BEFORE, Reactions, run_reaction
from messaging.sql.batch import Batch, Batches
from messaging.sql.consuming import Prefetch
from messaging.sql.faults import DATABASE_AWAY, ConcurrentChange
from messaging.sql.inbox import Inbox
from messaging.tracing import Span

_WORTH_A_BATCH = 2
"""A single message is handled sooner without one."""


class BatchedDelivery:
    """`batches`: None handles every message alone. `prefetch`: None if the reactions call nothing outside."""

    def __init__(self, reactions: Reactions, inbox: Inbox, batches: Batches | None, prefetch: Prefetch | None) -> None:
        self._reactions = reactions
        self._inbox = inbox
        self._batches = batches
        self._prefetch = prefetch
        self._log = structlog.get_logger(__name__)

    def handle_first(self, messages: Sequence[Decoded]) -> int:
        """Handle the first of the messages under one commit; return how many. The next one must be handled alone.

        Raises DATABASE_AWAY: none is handled.
        """
        needing = [place for place, message in enumerate(messages) if message.needs_handling]
        if self._batches is None or len(needing) < _WORTH_A_BATCH:
            return needing[0] if needing else len(messages)
        try:
            ready = self._ready(messages)
            if not any(ready):
                return len(ready)
            with shared_commit() as spans, self._batches.open() as batch:
                for place, received in enumerate(ready):
                    if received is not None and not self._handled(messages[place], received, batch, spans):
                        return place  # leaving the block commits the messages before this one
        except ConcurrentChange as collision:
            self._log.info("not handled together", error=repr(collision))
            return 0
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one message is to blame; alone, it becomes a dead letter
            self._log.warning("not handled together", error=repr(error))
            return 0
        return len(ready)

    def discard_prefetched(self) -> None:
        if self._prefetch is not None:
            self._prefetch.discard()

    def _ready(self, messages: Sequence[Decoded]) -> list[Received | None]:
        """Return what can share a transaction, up to the first message that cannot. None: nothing is left to do."""
        ready = [message.received for message in takewhile(lambda each: each.error is None, messages)]
        keys = [(each.message_id, each.key) for each in ready if each is not None]
        if not keys:
            return ready
        self._log.debug("handling together", messages=len(keys))
        statuses = iter(self._inbox.statuses(keys))
        for place, received in enumerate(ready):
            status = next(statuses) if received is not None else None
            if status is not None and status.key_is_parked:
                del ready[place:]
                break
            if status is not None and status.handled:
                ready[place] = None
                with handling(messages[place], self._reactions.vocabulary, self._inbox.trace_of):
                    tracing.event(HANDLED_BEFORE)
        return self._prefetched(ready)

    def _prefetched(self, ready: list[Received | None]) -> list[Received | None]:
        """Call what is outside now, for all messages at once: a transaction must not wait for it."""
        if self._prefetch is None:
            return ready
        places = [place for place, received in enumerate(ready) if received is not None]
        fetched = self._prefetch.fetch([received.event for received in ready if received is not None])
        return ready[: places[fetched]] if fetched < len(places) else ready

    def _handled(self, message: Decoded, received: Received, batch: Batch, spans: list[Span]) -> bool:
        """Return False if the reaction failed; its own changes are then undone."""
        reaction = self._reactions.on[received.event.type]
        try:
            with handling(message, self._reactions.vocabulary, self._inbox.trace_of, sharing=spans):
                run_reaction(reaction, received, self._inbox, within=batch)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - handled again alone, where faults are parked and errors buried
            spans.pop().end(error)  # undone, unlike those before it
            self._log.info(
                "not handled together", error=repr(error), **{self._reactions.vocabulary.key_in_logs: received.key}
            )
            return False
        return True
