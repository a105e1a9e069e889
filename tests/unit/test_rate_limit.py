"""The limit of requests per key, on a clock that the test sets."""

from api.rate_limit import KEPT, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_key_may_use_its_minute_at_once_and_is_told_when_the_next_request_is_free() -> None:
    clock = Clock()
    limit = RateLimit(3, clock)

    taken = [limit.take("a") for _ in range(5)]

    assert taken == [0, 0, 0, 20, 20]
    clock.now += 20
    assert [limit.take("a") for _ in range(2)] == [0, 20]
    clock.now += 3_600
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 20]


def test_each_key_has_its_own_bucket_and_may_have_its_own_limit() -> None:
    limit = RateLimit(1, Clock())

    assert [limit.take("a"), limit.take("b"), limit.take("a"), limit.take("b")] == [0, 0, 60, 60]
    assert [limit.take("c", per_minute=2) for _ in range(3)] == [0, 0, 30]
    assert {limit.take("d", per_minute=0) for _ in range(100)} == {0}


def test_without_a_limit_every_request_is_taken() -> None:
    assert {RateLimit(0, Clock()).take("a") for _ in range(100)} == {0}


def test_the_memory_of_keys_is_bounded() -> None:
    limit = RateLimit(1, Clock())
    for number in range(KEPT + 10):
        limit.take(str(number))

    assert len(limit._full_at) == KEPT
    assert limit.take(str(KEPT + 9)) > 0
