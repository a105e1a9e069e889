from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

_random = Random()  # noqa: S311 - spreads retries, guards nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Seconds to wait before each further attempt: `first_s`, then `factor` times as long each, up to `longest_s`."""

    first_s: float = 0.2
    factor: float = 2.0
    longest_s: float = 30.0

    def after(self, attempts: int) -> float:
        """How long to wait after so many attempts, 1 being the first."""
        if attempts > 64:  # noqa: PLR2004 - beyond it the power overflows, and every delay is the longest anyway
            return self.longest_s
        return min(self.first_s * self.factor ** (attempts - 1), self.longest_s)

    def jittered(self) -> Iterator[float]:
        """Delays without end, each between half and all of its length, so that many waiters do not come together."""
        for attempts in count(1):
            yield self.after(attempts) * _random.uniform(0.5, 1.0)
