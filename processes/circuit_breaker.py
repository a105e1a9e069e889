from collections.abc import Callable


class CircuitBreaker:
    """What has failed is not asked for a while. Then one asks, and the others wait for how that one fares.

    For one thread, as that of an event loop. `for_s` is in seconds of the clock, which only goes forward.
    """

    def __init__(self, for_s: float, clock: Callable[[], float]) -> None:
        self._for_s = for_s
        self._clock = clock
        self._until: float | None = None

    def allows(self) -> bool:
        if self._until is None:
            return True
        if self._clock() < self._until:
            return False
        self.failed()  # for everybody else, until whoever asks now has an answer
        return True

    def failed(self) -> None:
        self._until = self._clock() + self._for_s

    def answered(self) -> None:
        self._until = None
