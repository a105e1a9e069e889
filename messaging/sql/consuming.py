"""A service over its database, with all that its consumer and its relay need there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from messaging.sql.attempted import Attempts
from messaging.sql.batch import Batches
from messaging.sql.database import Database
from messaging.sql.inbox import Inbox
from messaging.sql.outbox import Outbox
from messaging.sql.parked import ParkedMessages
from messaging.sql.unit_of_work import MessageContext
from messaging.unit_of_work import Clock
from messaging.vocabulary import Vocabulary

T = TypeVar("T")


class Prefetch(Protocol):
    """Calls something outside for many messages at once, before the transaction that records the answers."""

    def fetch(self, events: Sequence[object]) -> int:
        """Return how many of the first events are answered, so that they can be handled."""
        ...

    def discard(self) -> None:
        """Drop the answers that were not used."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumingService(Generic[T]):
    """`service_for` binds the service to one message and its inbox row.

    `batches`: None if messages are handled one by one. `prefetch` makes its calls before a batch.
    """

    name: str
    vocabulary: Vocabulary[Any]
    service_for: Callable[[MessageContext | None], T]
    inbox: Inbox
    parked: ParkedMessages
    attempts: Attempts
    outbox: Outbox
    batches: Batches | None
    prefetch: Prefetch | None
    close: Callable[[], None]


def consuming(
    database: Database,
    vocabulary: Vocabulary[Any],
    clock: Clock,
    service_for: Callable[[MessageContext | None], T],
    *others: Callable[[], None],
) -> ConsumingService[T]:
    """Closing the service closes the database, and calls `others` before that."""
    outbox = Outbox(database)

    def close() -> None:
        for close_one in (outbox.close, *others, database.close):
            close_one()

    return ConsumingService(
        name=database.service,
        vocabulary=vocabulary,
        service_for=service_for,
        inbox=Inbox(database, clock),
        parked=ParkedMessages(database),
        attempts=Attempts(database),
        outbox=outbox,
        batches=Batches(database),
        prefetch=None,
        close=close,
    )
