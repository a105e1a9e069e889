import pytest

from processes.circuit_breaker import CircuitBreaker

FOR_S = 10.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alone(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(FOR_S, clock)


def test_what_never_failed_may_be_asked(alone: CircuitBreaker) -> None:
    assert [alone.allows(), alone.allows()] == [True, True]


def test_what_failed_is_left_alone_until_its_time_is_over(alone: CircuitBreaker, clock: Clock) -> None:
    alone.failed()
    asked_at_once = alone.allows()
    clock.now += FOR_S - 0.01
    asked_a_moment_too_soon = alone.allows()
    clock.now += 0.01

    assert (asked_at_once, asked_a_moment_too_soon, alone.allows()) == (False, False, True)


def test_after_that_only_one_asks_while_nobody_knows_how_it_fares(alone: CircuitBreaker, clock: Clock) -> None:
    alone.failed()
    clock.now += FOR_S

    assert [alone.allows() for _ in range(3)] == [True, False, False]


def test_one_who_never_tells_how_it_fared_is_followed_by_another(alone: CircuitBreaker, clock: Clock) -> None:
    alone.failed()
    clock.now += FOR_S
    alone.allows()
    clock.now += FOR_S

    assert alone.allows()


def test_what_failed_again_is_left_alone_again(alone: CircuitBreaker, clock: Clock) -> None:
    alone.failed()
    clock.now += FOR_S
    alone.allows()
    clock.now += 1.0
    alone.failed()
    clock.now += FOR_S - 0.01

    assert not alone.allows()


def test_what_has_answered_may_be_asked_by_everybody(alone: CircuitBreaker, clock: Clock) -> None:
    alone.failed()
    clock.now += FOR_S
    alone.allows()
    alone.answered()

    assert [alone.allows(), alone.allows()] == [True, True]
