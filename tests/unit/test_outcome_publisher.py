"""What the saga worker does about a Kafka that it cannot reach."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError

from domain.ids import OrderId
from domain.order import OrderOutcome, OrderStatus
from processes.saga_worker.outcome_publisher import LEFT_ALONE_S, PUBLISHING_AT_ONCE, OrderEndsAtOnce

END = OrderOutcome(order_id=OrderId("o-1"), status=OrderStatus.CONFIRMED)
PATIENT_S = 60.0
SILENT_S = 10.0


class Away:
    """A Kafka that is not there. It says so when `answers` is set; whoever waits for it all the while is held up."""

    def __init__(self) -> None:
        self.asked = 0
        self.held_up = False
        self.answers = threading.Event()
        self.now = 100.0

    def connect(self) -> KafkaProducer:
        self.asked += 1
        self.held_up |= not self.answers.wait(SILENT_S)
        raise KafkaConnectionError

    def clock(self) -> float:
        return self.now


@contextmanager
def telling(away: Away, at_most_s: float = PATIENT_S) -> Iterator[Callable[[], "asyncio.Task[bool]"]]:
    with closing(OrderEndsAtOnce(away.connect, at_most_s, away.clock)) as ends:
        try:
            yield lambda: asyncio.create_task(ends.tell(END))
        finally:
            away.answers.set()


async def test_a_kafka_that_is_away_is_asked_once_in_a_while() -> None:
    away = Away()
    away.answers.set()
    with telling(away) as tell:
        at_once = [await tell(), await tell(), away.asked]
        away.now += LEFT_ALONE_S
        later = [await tell(), await tell(), away.asked]

    assert (at_once, later) == ([False, False, 1], [False, False, 2])


async def test_a_kafka_that_says_nothing_holds_up_neither_an_end_nor_the_loop() -> None:
    away = Away()
    with telling(away, at_most_s=0.01) as tell:
        assert [await tell(), await tell()] == [False, False]

        assert (away.asked, away.held_up) == (1, False)


async def test_ends_that_wait_for_a_thread_in_vain_are_dropped() -> None:
    away = Away()
    with telling(away, at_most_s=0.2) as tell:
        told = await asyncio.gather(*[tell() for _ in range(4 * PUBLISHING_AT_ONCE)])
        away.answers.set()

    assert not any(told)
    assert away.asked <= PUBLISHING_AT_ONCE
