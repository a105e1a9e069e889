from collections.abc import Callable


class CircuitBreaker:
    """Open for `open_s` seconds after a failure, then half-open for one probe at a time.

    Not thread-safe: call it from one event loop. `clock` is monotonic, in seconds.
    """

    def __init__(self, open_s: float, clock: Callable[[], float]) -> None:
        self._open_s = open_s
        self._clock = clock
        self._open_until: float | None = None

    def allows(self) -> bool:
        """Return whether a call may be made now. When half-open, the caller that gets True is the probe."""
        if self._open_until is None:
            return True
        if self._clock() < self._open_until:
            return False
        self.record_failure()  # keeps other callers out while the probe runs; a lost probe is followed by another
        return True

    def record_failure(self) -> None:
        self._open_until = self._clock() + self._open_s

    def record_success(self) -> None:
        self._open_until = None
