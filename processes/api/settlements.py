"""Tells on Kafka that the gateway says a customer paid."""

import asyncio

from kafka.errors import KafkaError

from adapters.kafka.topics import SETTLED, SETTLEMENTS
from api.errors import away
from domain.ids import OrderId, event_id_of
from twinsaga_bridges.workflow_into_kafka import EventProducer, OutgoingEvent

SOURCE = "/twinsaga/gateway"
DEADLINE_S = 8.0


class SettlementsByKafka:
    """An order is paid once, so that the gateway may call twice: both calls are the same event."""

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
            raise away("Kafka", "whether the settlement was taken is unknown; telling it again is harmless") from error
