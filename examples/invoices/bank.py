"""A bank that pays every invoice in two parts. It knows Kafka and nothing else."""

import json

from addresses import KAFKA
from kafka import KafkaConsumer, KafkaProducer

SENDER = KafkaProducer(bootstrap_servers=KAFKA, acks="all")


def pay(number: str, part: int, amount: int) -> None:
    event = {"specversion": "1.0", "id": f"{number}/{part}", "source": "/bank", "type": "payment.received"}
    headers = [(f"ce_{name}", value.encode()) for name, value in event.items()]
    SENDER.send("payments", json.dumps({"amount": amount}).encode(), number.encode(), headers).get(timeout=10)


for record in KafkaConsumer("invoices", bootstrap_servers=KAFKA, group_id="bank", auto_offset_reset="earliest"):
    if dict(record.headers)["ce_type"] == b"invoice.sent":
        owed = json.loads(record.value)["amount"]
        pay(record.key.decode(), 1, owed // 2)
        pay(record.key.decode(), 2, owed - owed // 2)
