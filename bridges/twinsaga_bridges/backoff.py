"""Exponential backoff with jitter."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays in seconds: `first_s`, then `factor` times the previous one, up to `longest_s`."""

    first_s: float = 0.2
    factor: float = 2.0
    longest_s: float = 30.0

    def after(self, attempts: int) -> float:
        """Return the delay, in seconds and without jitter, after this many failed attempts (1 or more)."""
        if attempts > 64:  # noqa: PLR2004 - the power would overflow; the delay reached `longest_s` long before
            return self.longest_s
        return min(self.first_s * self.factor ** (attempts - 1), self.longest_s)

    def jittered(self) -> Iterator[float]:
        """Yield the delays, each cut at random to 50 to 100 % of its length, so that clients do not retry in step."""
        for attempts in count(1):
            yield self.after(attempts) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, protects nothing
