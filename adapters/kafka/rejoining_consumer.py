"""A consumer that ends each rebalance that it has begun.

kafka-python 3.0 joins a group in the background, over as many polls as it takes. If it does so because topics have
changed, it forgets in the middle that it has to: once the leader has assigned the partitions nothing says so any more,
and where no poll waits for it just then, what the broker answers is never taken. From then on the member has no
partitions and sends no heartbeats, until topics change again.
"""

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
