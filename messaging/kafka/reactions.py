"""The reactions of a service to events: each runs at most once for a message, in one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from messaging import tracing
from messaging.kafka.decoding import Decoder, Received
from messaging.sql.batch import Batch
from messaging.sql.inbox import AlreadyHandled, Inbox
from messaging.sql.unit_of_work import MessageContext
from messaging.vocabulary import Vocabulary
from twinsaga_bridges.backoff import Backoff

HANDLED_BEFORE = "handled before"

Reaction = Callable[[MessageContext, Any], None]
"""Runs a policy with the event, so that inbox row, effect and resulting event are one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactions:
    """How a service decodes messages, by topic, and what it does, by event type.

    `out_of_attempts` replaces the reaction in `on` after `attempts` faults.
    """

    vocabulary: Vocabulary[Any]
    decoders: Mapping[str, Decoder]
    on: Mapping[str, Reaction]
    out_of_attempts: Mapping[str, Reaction]
    attempts: int = 8
    backoff: Backoff = field(default_factory=Backoff)

    def after(self, attempts: int, event_type: str) -> Reaction:
        """Return the reaction to run after this many faults."""
        if attempts >= self.attempts and event_type in self.out_of_attempts:
            return self.out_of_attempts[event_type]
        return self.on[event_type]

    def limit(self, event_type: str) -> int:
        """Attempts before the dead letters. A replacement may fault too, and gets as many attempts again."""
        return self.attempts * (2 if event_type in self.out_of_attempts else 1)

    def delay_s(self, attempts: int) -> float:
        """Delay after this many faults. It starts anew with the attempts of a replacement."""
        return self.backoff.after(attempts if attempts < self.attempts else attempts - self.attempts + 1)


def run_reaction(
    reaction: Reaction, received: Received, inbox: Inbox, *, within: Batch | None = None, check_inbox: bool = False
) -> None:
    """Run a reaction, unless the inbox contains its message.

    `within`: as a part of this batch. `check_inbox`: the first transaction of the reaction also looks whether the
    message was handled before, or must wait; without it the caller has looked.

    Raises whatever the reaction raises, and with `check_inbox` KeyIsParked for a message behind a parked one of its
    key.
    """
    context = MessageContext(
        message_id=received.message_id,
        traceparent=received.traceparent,
        within=within,
        check_inbox_for=received.key if check_inbox else None,
    )
    try:
        reaction(context, received.event)
        if not context.in_inbox:  # the reaction changed nothing and recorded no event, so it wrote no inbox row
            inbox.mark(received.message_id, within)
    except AlreadyHandled:
        tracing.event(HANDLED_BEFORE)
