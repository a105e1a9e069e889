"""Logs what records wait for: one line when the first of them begins to wait, one a minute, and one at the end."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from twinsaga_bridges.kafka.faults import MissingSearchAttribute, described

REMIND_EVERY_S = 60.0
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Cause:
    records: int
    logged_at: float


class WaitingRecords:
    """Counts the records that wait, by cause."""

    def __init__(self) -> None:
        self._causes: dict[str, _Cause] = {}

    @contextmanager
    def record(self) -> Iterator["WaitingRecord"]:
        """One record, until it is handled."""
        waiting = WaitingRecord(self)
        try:
            yield waiting
        finally:
            waiting.ended()

    def begin(self, name: str, text: str, place: str) -> None:
        now = time.monotonic()
        cause = self._causes.get(name)
        if cause is None:
            cause = self._causes[name] = _Cause(0, now)
            log.error("%s and maybe others wait and are delivered again: %s", place, text)
        cause.records += 1

    def remind(self, name: str, text: str) -> None:
        cause, now = self._causes[name], time.monotonic()
        if now - cause.logged_at >= REMIND_EVERY_S:
            cause.logged_at = now
            log.error("%d records still wait and are delivered again: %s", cause.records, text)

    def end(self, name: str) -> None:
        cause = self._causes[name]
        cause.records -= 1
        if not cause.records:
            del self._causes[name]
            log.warning("no record waits any more because of: %s", name)


class WaitingRecord:
    def __init__(self, waiting: WaitingRecords) -> None:
        self._waiting = waiting
        self._name: str | None = None

    def for_(self, error: Exception, place: str) -> None:
        """Its delivery raised this, so it waits."""
        # The text of other exceptions may differ each time, and each text would be a line.
        name = str(error) if isinstance(error, MissingSearchAttribute) else type(error).__name__
        if name == self._name:
            self._waiting.remind(name, described(error))
        else:
            self.ended()
            self._name = name
            self._waiting.begin(name, described(error), place)

    def ended(self) -> None:
        if self._name is not None:
            self._waiting.end(self._name)
            self._name = None
