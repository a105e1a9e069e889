import pytest

from twinsaga_bridges.circuit_breaker import CircuitBreaker

OPEN_S = 10.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(OPEN_S, clock)


def test_it_is_closed_at_first(breaker: CircuitBreaker) -> None:
    assert [breaker.allows(), breaker.allows()] == [True, True]


def test_a_failure_opens_it_for_its_time(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.record_failure()
    at_once = breaker.allows()
    clock.now += OPEN_S - 0.01
    a_moment_too_early = breaker.allows()
    clock.now += 0.01

    assert (at_once, a_moment_too_early, breaker.allows()) == (False, False, True)


def test_half_open_it_allows_one_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.record_failure()
    clock.now += OPEN_S

    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_a_probe_without_a_result_is_followed_by_another(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.record_failure()
    clock.now += OPEN_S
    breaker.allows()
    clock.now += OPEN_S

    assert breaker.allows()


def test_a_failed_probe_opens_it_again(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.record_failure()
    clock.now += OPEN_S
    breaker.allows()
    clock.now += 1.0
    breaker.record_failure()
    clock.now += OPEN_S - 0.01

    assert not breaker.allows()


def test_a_successful_probe_closes_it(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.record_failure()
    clock.now += OPEN_S
    breaker.allows()
    breaker.record_success()

    assert [breaker.allows(), breaker.allows()] == [True, True]
