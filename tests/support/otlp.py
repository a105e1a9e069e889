"""A collector for tests. It keeps the bytes too, in which a test looks for what must be in no span."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from comparison.span_receiver import SENT_AT_ONCE, SpanCollector, span_receiver


class Collector(SpanCollector):
    def __init__(self) -> None:
        super().__init__()
        self.raw: list[bytes] = []

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        super().take(body)


@contextmanager
def collector() -> Iterator[tuple[Collector, Mapping[str, str]]]:
    """Run a collector; yield it with the variables that make processes send to it."""
    received = Collector()
    with span_receiver(received.take) as variables:
        yield received, {**variables, **SENT_AT_ONCE}
