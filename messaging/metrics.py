"""What messaging counts for Prometheus. A label has few values, all from our code."""

from prometheus_client import Counter

DEAD_LETTERS = Counter(
    "twinsaga_dead_letters", "Messages given up, by the class of the last error", ["service", "topic", "error"]
)


def count_dead_letter(service: str, topic: str, error: BaseException) -> None:
    DEAD_LETTERS.labels(service, topic, type(error).__name__).inc()
