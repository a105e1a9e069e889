"""Records that the relay has sent and not yet marked as published."""

import time
from collections.abc import Iterable, Sequence

from kafka.producer.future import FutureRecordMetadata

from messaging.sql.outbox import OutboxRow
from twinsaga_bridges.kafka.connection import DELIVERY_TIMEOUT_S

_MARK_WITHIN_S = 0.1


class NotPublished(Exception):
    """A record was not acknowledged. Its producer must be closed without sending the rest."""


class InFlightRecords:
    """Of one producer. Rows are marked in one transaction for a tenth of a second, since each commit costs a sync."""

    def __init__(self) -> None:
        self._unacknowledged: dict[int, tuple[OutboxRow, FutureRecordMetadata, float]] = {}
        self._acknowledged: list[int] = []
        self._mark_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._unacknowledged or self._acknowledged)

    @property
    def seqs(self) -> set[int]:
        return self._unacknowledged.keys() | set(self._acknowledged)

    @property
    def marks_are_due(self) -> bool:
        return bool(self._acknowledged) and time.monotonic() >= self._mark_at

    def sendable(self, rows: Iterable[OutboxRow]) -> list[OutboxRow]:
        """Return the first row of each key without a record in flight.

        The next event of a key waits for the acknowledgement of the one before it, so that no failure can swap them.
        """
        first: dict[str, OutboxRow] = {}
        for row in rows:
            first.setdefault(row.event.key, row)
        for row, _, _ in self._unacknowledged.values():
            first.pop(row.event.key, None)
        return list(first.values())

    def add(self, row: OutboxRow, future: FutureRecordMetadata) -> None:
        self._unacknowledged[row.seq] = row, future, time.monotonic() + DELIVERY_TIMEOUT_S + 1

    def settle(self) -> None:
        """Collect acknowledgements. Raises KafkaError: a record was refused; NotPublished: one has waited too long."""
        for seq, (row, future, deadline) in list(self._unacknowledged.items()):
            if future.is_done:
                future.get(timeout=0)
                if not self._acknowledged:
                    self._mark_at = time.monotonic() + _MARK_WITHIN_S
                self._acknowledged.append(seq)
                del self._unacknowledged[seq]
            elif time.monotonic() > deadline:
                raise NotPublished(f"event {row.event.event_id} has no acknowledgement")

    def take_acknowledged(self) -> Sequence[int]:
        """Return the rows to mark. They no longer count as in flight: if marking fails they are sent again."""
        taken, self._acknowledged = self._acknowledged, []
        return taken
