"""The code of the course's text, as it stands there. The tests beside it show what it loses; docs/curso/ explains."""

import json
from collections.abc import Callable
from typing import Any, Protocol

from kafka import KafkaConsumer, KafkaProducer


class Database(Protocol):
    def save_order(self, order: dict[str, Any]) -> None: ...


class Producer(Protocol):
    def send(self, topic: str, value: dict[str, Any]) -> object: ...
    def flush(self) -> object: ...


def producer_of(bootstrap: str, **options: Any) -> KafkaProducer:  # noqa: ANN401 - kafka-python's
    """`options`: only those that make a test quick."""
    return KafkaProducer(
        bootstrap_servers=[bootstrap], value_serializer=lambda value: json.dumps(value).encode("utf-8"), **options
    )


def create_order(order: dict[str, Any], database: Database, producer: Producer, topic: str = "orders") -> None:
    database.save_order(order)
    producer.send(topic, order)
    producer.flush()


def consumer_of(bootstrap: str, topic: str = "orders", **options: Any) -> KafkaConsumer:  # noqa: ANN401 - kafka-python's
    """`options`: only those that a test is about, or that make it quick."""
    return KafkaConsumer(
        topic,
        bootstrap_servers=[bootstrap],
        group_id="inventory-service",
        value_deserializer=lambda value: json.loads(value.decode("utf-8")),
        **options,
    )


def consume(consumer: KafkaConsumer, reserve_inventory: Callable[[str], None]) -> None:
    for message in consumer:
        reserve_inventory(message.value["order_id"])
        consumer.commit()


class Services(Protocol):
    async def create_order(self) -> None: ...
    async def charge_payment(self) -> None: ...
    async def reserve_inventory(self) -> None: ...
    async def schedule_shipping(self) -> None: ...
    async def release_inventory(self) -> None: ...
    async def refund_payment(self) -> None: ...
    async def cancel_order(self) -> None: ...


class OrderSaga:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.steps_completed: list[str] = []

    async def execute(self) -> str:
        try:
            await self.services.create_order()
            self.steps_completed.append("order")
            await self.services.charge_payment()
            self.steps_completed.append("payment")
            await self.services.reserve_inventory()
            self.steps_completed.append("inventory")
            await self.services.schedule_shipping()
        except Exception:
            await self.compensate()
            raise
        return "success"

    async def compensate(self) -> None:
        if "inventory" in self.steps_completed:
            await self.services.release_inventory()
        if "payment" in self.steps_completed:
            await self.services.refund_payment()
        if "order" in self.steps_completed:
            await self.services.cancel_order()
