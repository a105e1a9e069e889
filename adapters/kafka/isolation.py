"""Isolates a message that kills its process: by a crash of the interpreter, or by more memory than there is.

Before its first message of a partition, a consumer writes where it begins, and it removes that when it leaves. If a
consumer finds such a row, its predecessor died. It then handles the first messages one at a time, and writes each one
down before. A message that was begun alone twice becomes a dead letter.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby

import structlog

from adapters.kafka.message import IncomingMessage
from adapters.sql.attempted import Attempt, Attempts
from adapters.sql.faults import DATABASE_AWAY

DEATHS = 2

Partition = tuple[str, int]


class KillsItsProcess(Exception):
    """The process died each time when it handled this message."""


class Isolation:
    """For one consumer, in one thread. Every method but `leave` raises DatabaseFault while the database is away."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._found: dict[Partition, Attempt | None] = {}
        """Of each partition that was entered: what the predecessor left behind."""
        self._log = structlog.get_logger(__name__)

    def portions(self, messages: Sequence[IncomingMessage]) -> Iterator[Sequence[IncomingMessage]]:
        """Split a poll into what may be handled together. Take the next portion when the last one is handled."""
        usual: list[IncomingMessage] = []
        for partition, group in groupby(messages, key=lambda message: (message.topic, message.partition)):
            of_partition = list(group)
            if self._enter(partition, of_partition[0]) is None:
                usual += of_partition
            else:
                yield from self._one_by_one(partition, of_partition)
        if usual:
            yield usual

    def leave(self) -> None:
        """Let the next consumer see that this one did not die. Never raises: it may be more careful than it need be."""
        left = self.forget()
        if left:
            with suppress(*DATABASE_AWAY):
                self._attempts.end(left)

    def forget(self) -> Collection[Partition]:
        """For lost partitions: their new owners may have begun by now. Return all partitions that were entered."""
        left, self._found = self._found.keys(), {}
        return left

    def _enter(self, partition: Partition, first: IncomingMessage) -> Attempt | None:
        if partition not in self._found:
            found = self._attempts.of(*partition)
            if found is None:
                self._attempts.begin(_attempt(first, 0))
            else:
                self._log.warning("the last consumer died", topic=first.topic, partition=first.partition)
            self._found[partition] = found
        return self._found[partition]

    def _one_by_one(
        self, partition: Partition, messages: Sequence[IncomingMessage]
    ) -> Iterator[Sequence[IncomingMessage]]:
        found = self._found[partition]
        for message in messages:
            before = found.times if found is not None and found.offset == message.offset else 0
            if before >= DEATHS:
                deaths = f"the process died {before} times while it handled this message"
                yield [replace(message, error=message.error or KillsItsProcess(deaths))]
            else:
                self._attempts.begin(_attempt(message, before + 1))
                yield [message]
        # From here on as usual. After another death the row says that this one was not clean either.
        self._attempts.begin(_attempt(messages[-1], 0))
        self._found[partition] = None


def _attempt(message: IncomingMessage, times: int) -> Attempt:
    return Attempt(topic=message.topic, partition=message.partition, offset=message.offset, times=times)
