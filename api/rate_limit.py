"""Limits the requests of each API key.

A bucket per key, as the generic cell rate algorithm keeps it: one number, the time at which the bucket is full again.
The packages for this count in a thread or a database of their own; this needs neither, and no wait.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

KEPT: Final = 10_000
"""Keys whose buckets are remembered. Only valid keys have one, so there are rarely as many."""
_PERIOD_S: Final = 60.0


class RateLimit:
    """A key may send `per_minute` requests at once, and as many per minute on average. 0: no limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key_id: str, per_minute: int | None = None) -> float:
        """Count a request, and return 0. If the key has none left, return the seconds until it has one.

        `per_minute`: the key's own limit; None for that of all keys.
        """
        allowed = self._per_minute if per_minute is None else per_minute
        if not allowed:
            return 0.0
        now = self._clock()
        full_at = max(self._full_at.get(key_id, now), now) + _PERIOD_S / allowed
        if (wait_s := full_at - now - _PERIOD_S) > 0:
            return wait_s
        self._full_at[key_id] = full_at
        self._full_at.move_to_end(key_id)
        if len(self._full_at) > KEPT:
            self._full_at.popitem(last=False)
        return 0.0
