"""Tells on Kafka how orders ended while Kafka answers, so that their sagas need no second workflow for it."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from kafka import KafkaProducer

from domain.order import OrderOutcome
from processes.circuit_breaker import CircuitBreaker
from twinsaga_bridges.workflow_into_kafka import EventProducer
from workflows.outcome_event import order_end_event

PUBLISHING_AT_ONCE = 4
AT_MOST_S = 1.0
LEFT_ALONE_S = 10.0

log = structlog.get_logger(__name__)


class OrderEndsAtOnce:
    """`connect` as an EventProducer has it: the first end connects."""

    def __init__(
        self,
        connect: Callable[[], KafkaProducer],
        at_most_s: float = AT_MOST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = EventProducer(connect)
        self._at_most_s = at_most_s
        self._kafka = CircuitBreaker(LEFT_ALONE_S, clock)
        self._threads = ThreadPoolExecutor(PUBLISHING_AT_ONCE, "order-end")

    async def tell(self, outcome: OrderOutcome) -> bool:
        """Of a call that takes too long the thread goes on, for ten seconds at most; one that has none is dropped."""
        if not self._kafka.allows():
            return False
        event = order_end_event(outcome)
        try:
            async with asyncio.timeout(self._at_most_s):
                await asyncio.get_running_loop().run_in_executor(self._threads, self._events.send, event)
        except Exception as error:  # noqa: BLE001 - whatever it was, a workflow tells it
            self._kafka.failed()
            log.warning("Kafka is left alone for a while", order_id=outcome.order_id, error=repr(error))
            return False
        self._kafka.answered()
        return True

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._events.close()
