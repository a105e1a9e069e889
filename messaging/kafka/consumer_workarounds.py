"""A consumer and a look-up that work around the embedded broker (Tansu)."""

import time
from collections.abc import Collection
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from twinsaga_bridges.kafka.connection import RejoiningConsumer

_FETCH_EVERY_S = 0.1
_BUSY_S = 1.0
"""A consumer does not rest within this time after a record: more events of the same key may follow."""

_REST_GROWS = 0.05
_END_POLL_MS = 50


class RestingConsumer(RejoiningConsumer):
    """Fetches less often while no records come.

    The embedded broker answers no fetch before `fetch_max_wait_ms` is over. That is short there, so an idle consumer
    would fetch a hundred times a second, which takes a tenth of a core here and half of that in the broker. A broker
    that answers as soon as there is a record is given a long wait, and with that this consumer never rests.
    """

    def __init__(self, *topics: str, **options: Any) -> None:  # noqa: ANN401 - kafka-python's options
        super().__init__(*topics, **options)
        self._fetch_ms = int(self.config["fetch_max_wait_ms"])
        self._longest_rest_s = max(0.0, _FETCH_EVERY_S - self._fetch_ms / 1000)
        self._last_record_at = time.monotonic()

    def poll(self, timeout_ms: int = 0, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the base class's
        """As the base class's: return records as soon as there are some, or none after the timeout."""
        end = time.monotonic() + timeout_ms / 1000
        while rest := self._rest_s():
            records = super().poll(min(timeout_ms, self._fetch_ms), *args, **options)
            remaining = end - time.monotonic()
            if records or remaining <= 0:
                return self._noted(records)
            time.sleep(min(rest, remaining))
        return self._noted(super().poll(max(0, int((end - time.monotonic()) * 1000)), *args, **options))

    def _rest_s(self) -> float:
        """A twentieth of the idle time, so that the first record after a short pause is hardly delayed."""
        if not self.assignment():
            return 0.0  # joining a group takes polls
        idle_s = time.monotonic() - self._last_record_at - _BUSY_S
        return min(self._longest_rest_s, max(0.0, idle_s * _REST_GROWS))

    def _noted(self, records: Any) -> Any:  # noqa: ANN401 - as the base class's
        if records:
            self._last_record_at = time.monotonic()
        return records


def end_offsets(
    reader: KafkaConsumer, partitions: Collection[TopicPartition], deadline_s: float
) -> dict[TopicPartition, int]:
    """Return the end of each assigned partition, as the answer to a fetch contains it. Raises KafkaTimeoutError.

    `KafkaConsumer.end_offsets` is wrong on the embedded broker: it returns where the last batch begins. The caller
    assigns and seeks before; this polls, and drops what it gets.
    """
    give_up_at = time.monotonic() + deadline_s
    while True:
        ends = {partition: reader.highwater(partition) for partition in partitions}
        if None not in ends.values():
            return ends
        if time.monotonic() > give_up_at:
            raise KafkaTimeoutError(f"the ends of the partitions are not known within {deadline_s:g} s")
        reader.poll(timeout_ms=_END_POLL_MS)
