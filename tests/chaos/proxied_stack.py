"""A stack whose broker is reached through a proxy."""

from dataclasses import dataclass

from tests.chaos.kafka_proxy import KafkaProxy
from tests.support.stack import Stack

EVERYTHING_BUT_KAFKA = "temporal,redis,api,saga-worker,order-service,payment-service,inventory-service,shipping-service"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedStack:
    stack: Stack
    proxy: KafkaProxy
    broker: str
