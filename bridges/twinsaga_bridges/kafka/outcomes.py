"""How records end. Every record ends as one of the four counts; none is dropped without one."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    DEAD_LETTER = "dead letter"


@dataclass(slots=True)
class Counts:
    """Records since the start of the process, by their end. Read it from any thread, for example to export metrics.

    `duplicates`: Temporal had the event already. It says so for a start, and for a signal to a closed workflow. For
    other calls this process compares with the last events that it delivered itself.
    `ignored`: events whose type has no route, or whose route chose to do nothing.
    """

    delivered: int = 0
    duplicates: int = 0
    ignored: int = 0
    dead_letters: int = 0

    def add(self, outcome: Outcome) -> None:
        match outcome:
            case Outcome.DELIVERED:
                self.delivered += 1
            case Outcome.DUPLICATE:
                self.duplicates += 1
            case Outcome.IGNORED:
                self.ignored += 1
            case Outcome.DEAD_LETTER:
                self.dead_letters += 1


class RecentIds:
    """Remembers the last `most` ids."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: dict[str, None] = {}

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._ids

    def add(self, event_id: str) -> None:
        self._ids.pop(event_id, None)
        self._ids[event_id] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]
