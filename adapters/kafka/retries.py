"""Which faults are retried in place, and after which delays."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from sqlalchemy import exc

from adapters.sql.faults import DatabaseFault

DATABASE_AWAY = (DatabaseFault, exc.OperationalError, exc.ProgrammingError, exc.InternalError)
"""Database-wide faults. No message caused them, so none is parked or dead-lettered.

ProgrammingError is among them because a table is missing while an operator migrates or restores.
"""

_random = Random()  # noqa: S311 - spreads retries, guards nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential delays in seconds: `first_s`, then `factor` times the previous one, up to `longest_s`."""

    first_s: float = 0.2
    factor: float = 2.0
    longest_s: float = 30.0

    def after(self, attempts: int) -> float:
        """Delay after the given number of attempts, which starts at 1."""
        if attempts > 64:  # noqa: PLR2004 - beyond it the power overflows, and every delay is the longest anyway
            return self.longest_s
        return min(self.first_s * self.factor ** (attempts - 1), self.longest_s)

    def jittered(self) -> Iterator[float]:
        """Endless delays, each between half and all of its length, so that waiting processes do not retry together."""
        for attempts in count(1):
            yield self.after(attempts) * _random.uniform(0.5, 1.0)
