"""Publishes payment settlements to Kafka."""

import asyncio

from kafka.errors import KafkaError

from adapters.kafka.topics import SETTLED, SETTLEMENTS
from api.problems import away
from domain.ids import OrderId, event_id_of
from twinsaga_bridges.workflow_into_kafka import EventProducer, OutgoingEvent

SOURCE = "/twinsaga/gateway"
DEADLINE_S = 8.0


class SettlementsByKafka:
    """The event id comes from the order, so two calls of the gateway are one event to every consumer."""

    def __init__(self, events: EventProducer) -> None:
        self._events = events

    async def announce(self, order_id: OrderId) -> None:
        event = OutgoingEvent(
            topic=SETTLEMENTS,
            key=order_id,
            type=SETTLED,
            source=SOURCE,
            data={"order_id": order_id},
            id=event_id_of(order_id, SETTLED),
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.to_thread(self._events.send, event)
        except (KafkaError, TimeoutError) as error:
            raise away("Kafka", "the settlement may be stored or not; sending it again is safe") from error
