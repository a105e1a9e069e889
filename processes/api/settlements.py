"""Publishes payment settlements to Kafka."""

import asyncio
from uuid import uuid4

from kafka.errors import KafkaError

from api.problems import away
from domain.ids import OrderId
from messaging import tracing
from services.vocabulary import SETTLED, SETTLEMENTS
from twinsaga_bridges.workflow_into_kafka import EventProducer, OutgoingEvent

SOURCE = "/twinsaga/gateway"
DEADLINE_S = 8.0


class SettlementsByKafka:
    """Each call of the gateway is an event of its own.

    The first one may have come before the money, so a later one must not pass for its repetition. Booking is
    repeatable: several events of one payment book it once.
    """

    def __init__(self, events: EventProducer) -> None:
        self._events = events

    async def announce(self, order_id: OrderId) -> None:
        event = OutgoingEvent(
            topic=SETTLEMENTS,
            key=order_id,
            type=SETTLED,
            source=SOURCE,
            data={"order_id": order_id},
            id=str(uuid4()),
            traceparent=tracing.traceparent(),
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.to_thread(self._events.send, event)
        except (KafkaError, TimeoutError) as error:
            raise away("Kafka", "the settlement may be stored or not; sending it again is safe") from error
