"""Isolates a record that kills its process: by a crash of the interpreter, or by more memory than there is.

Before its first record of a partition, a consumer writes where it begins, and it removes that when it leaves. If a
consumer finds such a note, its predecessor died. It then handles the first records one at a time, and writes each one
down before. A record that was begun alone twice becomes a dead letter. Imports no Temporal.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Generic, Protocol, TypeVar

DEATHS = 2

Partition = tuple[str, int]
log = logging.getLogger(__name__)


class KillsItsProcess(Exception):
    """The process died each time when it handled this record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`times`: how often handling the record at `offset` alone was begun; 0: it was begun together with others."""

    topic: str
    partition: int
    offset: int
    times: int


class Attempts(Protocol):
    """Keeps one Attempt for each partition, where the next process finds it after this one has died.

    What it raises ends `KafkaIntoWorkflow.run`.
    """

    def of(self, topic: str, partition: int) -> Attempt | None: ...

    def begin(self, attempt: Attempt) -> None:
        """Replace the partition's attempt."""
        ...

    def end(self, partitions: Collection[Partition]) -> None: ...


class AttemptsFolder:
    """Keeps attempts as small files. The folder must outlive the process, not the machine.

    Each group needs a folder of its own. Where it cannot be read or written, one line is logged and records are handled
    without isolation: a full disk must not stop the bridge.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._works = True

    def of(self, topic: str, partition: int) -> Attempt | None:
        try:
            offset, times = map(int, self._file((topic, partition)).read_text().split())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._failed(error)
            return None
        return Attempt(topic=topic, partition=partition, offset=offset, times=times)

    def begin(self, attempt: Attempt) -> None:
        file = self._file((attempt.topic, attempt.partition))
        new = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            new.write_text(f"{attempt.offset} {attempt.times}")
            new.replace(file)
        except OSError as error:
            self._failed(error)

    def end(self, partitions: Collection[Partition]) -> None:
        for partition in partitions:
            try:
                self._file(partition).unlink(missing_ok=True)
            except OSError as error:
                self._failed(error)

    def _file(self, partition: Partition) -> Path:
        topic, number = partition  # Kafka allows letters, digits, dots, hyphens and underscores in a topic
        return self._folder / f"{topic}-{number}.attempt"

    def _failed(self, error: Exception) -> None:
        if self._works:
            log.error("records that kill this process are not isolated: %r", error)
        self._works = False


class Placed(Protocol):
    """A record as it lies in Kafka."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


R = TypeVar("R", bound=Placed)


class Isolation(Generic[R]):
    """For one consumer. Every method but `leave` raises what `attempts` raises.

    `condemn` returns the record with an error that makes it a dead letter.
    """

    def __init__(self, attempts: Attempts, condemn: Callable[[R, Exception], R]) -> None:
        self._attempts = attempts
        self._condemn = condemn
        self._found: dict[Partition, Attempt | None] = {}
        """Of each partition that was entered: what the predecessor left behind."""

    def enter(self, records: Sequence[R]) -> bool:
        """Note where the partitions of these records begin. Return whether some must be handled one at a time."""
        found = [self._enter((record.topic, record.partition), record) for record in records]
        return any(attempt is not None for attempt in found)

    def portions(self, records: Sequence[R]) -> Iterator[Sequence[R]]:
        """Split a poll into what may be handled together. Take the next portion when the last one is handled."""
        usual: list[R] = []
        for partition, group in groupby(records, key=lambda record: (record.topic, record.partition)):
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
            try:
                self._attempts.end(left)
            except Exception as error:  # noqa: BLE001 - the store's, which this does not know
                log.warning("the next process will take this one for dead: %r", error)

    def forget(self) -> Collection[Partition]:
        """For lost partitions: their new owners may have begun by now. Return all partitions that were entered."""
        left, self._found = self._found.keys(), {}
        return left

    def _enter(self, partition: Partition, first: R) -> Attempt | None:
        if partition not in self._found:
            found = self._attempts.of(*partition)
            if found is None:
                self._attempts.begin(_attempt(first, 0))
            else:
                log.warning("the last consumer of %s/%d died: its first records are handled one at a time", *partition)
            self._found[partition] = found
        return self._found[partition]

    def _one_by_one(self, partition: Partition, records: Sequence[R]) -> Iterator[Sequence[R]]:
        found = self._found[partition]
        for record in records:
            before = found.times if found is not None and found.offset == record.offset else 0
            if before >= DEATHS:
                deaths = f"the process died {before} times while it handled this record"
                yield [self._condemn(record, KillsItsProcess(deaths))]
            else:
                self._attempts.begin(_attempt(record, before + 1))
                yield [record]
        # From here on as usual. After another death the note says that this one was not clean either.
        self._attempts.begin(_attempt(records[-1], 0))
        self._found[partition] = None


def _attempt(record: Placed, times: int) -> Attempt:
    return Attempt(topic=record.topic, partition=record.partition, offset=record.offset, times=times)
