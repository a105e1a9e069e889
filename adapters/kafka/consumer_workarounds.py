"""A consumer that fetches seldom while nothing comes.

The embedded broker answers no fetch before `fetch_max_wait_ms` is over, so that is short there, and a consumer with
nothing to do would fetch a hundred times a second, at a tenth of a core and half as much for the broker. A broker that
answers as soon as there is a record gets a long wait, with which this one never rests.
"""

import time
from typing import Any

from kafka import KafkaConsumer

_REJOIN_MS = 1_000
"""A poll waits for so long while the group shares out: an answer that comes between two polls is asked for again."""


class RejoiningConsumer(KafkaConsumer):  # type: ignore[misc]  # it has no types
    def poll(self, timeout_ms: int = 0, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the base class's
        """As its base, but that it may take a second during a rebalance."""
        if self._coordinator.rejoining:
            self._coordinator.request_rejoin()
            timeout_ms = max(timeout_ms, _REJOIN_MS)
        return super().poll(timeout_ms, *args, **options)


_FETCH_EVERY_S = 0.1
_BUSY_S = 1.0
"""For so long after its last record a consumer does not rest: more of the same order may be on its way."""

_REST_GROWS = 0.05


class RestingConsumer(RejoiningConsumer):
    def __init__(self, *topics: str, **options: Any) -> None:  # noqa: ANN401 - kafka-python's options
        super().__init__(*topics, **options)
        self._fetch_ms = int(self.config["fetch_max_wait_ms"])
        self._longest_rest_s = max(0.0, _FETCH_EVERY_S - self._fetch_ms / 1000)
        self._last_record_at = time.monotonic()

    def poll(self, timeout_ms: int = 0, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the base class's
        """As its base: return what came within the timeout, as soon as something came."""
        end = time.monotonic() + timeout_ms / 1000
        while rest := self._rest_s():
            records = super().poll(min(timeout_ms, self._fetch_ms), *args, **options)
            remaining = end - time.monotonic()
            if records or remaining <= 0:
                return self._seen(records)
            time.sleep(min(rest, remaining))
        return self._seen(super().poll(max(0, int((end - time.monotonic()) * 1000)), *args, **options))

    def _rest_s(self) -> float:
        """A twentieth of the time since it was busy, so that the first record after a while waits little for it."""
        if not self.assignment():
            return 0.0  # joining a group takes polls
        idle_s = time.monotonic() - self._last_record_at - _BUSY_S
        return min(self._longest_rest_s, max(0.0, idle_s * _REST_GROWS))

    def _seen(self, records: Any) -> Any:  # noqa: ANN401 - as the base class's
        if records:
            self._last_record_at = time.monotonic()
        return records
