"""What is played on a stack whose processes send traces, and the spans of each order."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import httpx2 as httpx
from kafka import KafkaProducer
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from comparison.scenarios import SCENARIOS, WAITING_SCENARIOS
from comparison.span_receiver import ReceivedSpan
from domain.ids import OrderId, order_id_from_key
from estate.schedules import FORGET
from tests.support.estate import Estate
from tests.support.otlp import Collector
from tests.support.shop import Shop
from tests.support.span_trees import tree_of
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually
from workflows.order_saga import workflow_id

SERVICES = ("order-service", "payment-service", "inventory-service", "shipping-service")
ESTATE = ("kafka-bridge", "order-mails", "celery-worker", "mail")
PROCESSES = ("temporal", "kafka", "redis", "api", "saga-worker", *SERVICES, *ESTATE)
TRACED = {"api", "saga-worker", *SERVICES, "kafka-bridge", "order-mails", "celery-worker"}
STYLES = ("orchestrated", "choreographed")
KILLED = {"orchestrated": "saga-worker", "choreographed": "payment-service"}
"""The process that books the payment."""

SWEEP = "start saga of the sweep"
"""On a busy machine it finds orders whose saga is about to start, and starts none of them again."""

WITNESS = "RunWorkflow:ChoreographyWitness"
"""Which event starts it, and so where it stands in the tree, is decided by the bridge's consumer."""

OF_KAFKA = f"00-{1:032x}-{1:016x}-01"
"""The trace of the program that sends an order to Kafka."""
OF_CELERY = f"00-{2:032x}-{2:016x}-01"
"""The trace of the program that calls a Celery task."""

HANDLED_BEFORE = "handled before"
ADDRESS = "ana.souza@example.com"


@dataclass(frozen=True, slots=True)
class Traced:
    """What was played: the ids of the orders, by scenario and style, and when the processes were killed."""

    collector: Collector
    stack: Stack
    orders: Mapping[tuple[str, str], str]
    killed_at: float

    def spans(self, scenario: str, style: str) -> list[ReceivedSpan]:
        """Every span of each trace in which the order appears, without those of its witness."""
        spans = self.collector.of_order(self.orders[scenario, style])
        of_sweep = {span.span_id for span in spans if span.name == SWEEP}
        return [span for span in spans if not {span.span_id, span.parent_id} & of_sweep and span.name != WITNESS]

    def assert_tree(self, scenario: str, style: str, expected: str) -> list[ReceivedSpan]:
        """Wait until the spans of the order are these and no others. Return them.

        On a busy machine a group may be rebalanced, and messages delivered again: their spans do not count.
        """
        wanted = expected.splitlines()

        def complete() -> bool:
            return tree_of(without_repetitions(self.spans(scenario, style))) == wanted

        try:
            eventually(complete, "the trace is complete", 20.0)
        except AssertionError as late:
            raise AssertionError("\n".join(tree_of(self.spans(scenario, style)))) from late
        spans = without_repetitions(self.spans(scenario, style))
        assert len({span.trace_id for span in spans}) == 1
        return spans

    def trace_with(self, *names: str) -> list[ReceivedSpan]:
        """Wait for the first trace that contains spans of all these names. Return its spans."""

        def look() -> list[ReceivedSpan] | None:
            spans = self.collector.spans
            for trace in dict.fromkeys(span.trace_id for span in spans):
                found = [span for span in spans if span.trace_id == trace]
                if {span.name for span in found} >= set(names):
                    return found
            return None

        return eventually(look, f"a trace contains {names}", 30.0)

    def log_lines(self, process: str) -> list[Json]:
        lines = (self.stack.data / "logs" / f"{process}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def without_repetitions(spans: Iterable[ReceivedSpan]) -> list[ReceivedSpan]:
    """Leave out what a second delivery of the same message, or of the same workflow task, adds.

    `order-mails` has no inbox, and does not say so. A workflow task that was lost after its local activities ran is run
    again, as docs/tracing.md says: the same activities in the same attempts, and the same end of the workflow.
    """
    kept: list[ReceivedSpan] = []
    seen: set[tuple[object, ...]] = set()
    for span in sorted(spans, key=lambda span: span.began):
        work: tuple[object, ...] = (span.span_id,)
        if span.process == "order-mails":
            work = (span.process, span.parent_id)
        elif span.process == "saga-worker":
            work = (span.process, span.parent_id, span.name, span.attributes.get("saga.attempt"))
        if HANDLED_BEFORE not in span.events and work not in seen:
            kept.append(span)
        seen.add(work)
    return kept


class Player:
    def __init__(self, stack: Stack, client: httpx.Client) -> None:
        self._stack = stack
        self._shop = Shop(client)
        self._estate = Estate(stack, client)

    def played(self, received: Collector) -> Traced:
        with closing(self._estate.celery):
            orders = self._orders() | self._orders_of_a_user()
            for order_id in orders.values():
                self._shop.await_end(order_id)
            asyncio.run(self._trigger_schedule())
            paid, killed_at = self._paid_after_a_kill()
            self._shop.assert_books_right()
        return Traced(received, self._stack, orders | paid, killed_at)

    def _orders(self) -> dict[tuple[str, str], str]:
        shop = self._shop
        pair = shop.client.post("/order-pairs", json=shop.prepared(SCENARIOS["ok"]))
        pair.raise_for_status()
        orders = {("pair", style): pair.json()[style]["order_id"] for style in STYLES}
        for scenario in ("undeliverable", "flaky_gateway"):
            for style in STYLES:
                orders[scenario, style] = shop.place(shop.prepared(SCENARIOS[scenario]), style)
        for style in STYLES:
            orders["cancelled", style] = shop.place(shop.prepared(WAITING_SCENARIOS["cancelled"]), style)
            eventually(partial(self._waits_for_payment, orders["cancelled", style]), "the payment is pending")
            shop.client.post(f"/orders/{orders['cancelled', style]}/cancel").raise_for_status()
        return orders

    def _orders_of_a_user(self) -> dict[tuple[str, str], str]:
        """Place orders whose end is mailed: over HTTP, by a record on Kafka, and by a Celery task."""
        shop, customer = self._shop, self._estate.customer(ADDRESS)

        def order() -> Json:
            return shop.prepared(SCENARIOS["ok"]) | {"customer_id": customer}

        by_celery = self._estate.celery.send_task(
            "twinsaga.place_order", [order()], queue="twinsaga", headers={"traceparent": OF_CELERY}
        )
        key = uuid4().hex
        with closing(KafkaProducer(bootstrap_servers=self._stack.ready["kafka"])) as producer:
            value, headers = json.dumps(order()).encode(), [("traceparent", OF_KAFKA.encode())]
            producer.send("order-requests", key=key.encode(), value=value, headers=headers).get(30)
        orders = {
            ("kafka", "orchestrated"): order_id_from_key("order-requests", key),
            ("mailed", "choreographed"): shop.place(order(), "choreographed"),
            ("celery", "orchestrated"): by_celery.get(timeout=60)["order_id"],
        }
        eventually(partial(self._is_placed, orders["kafka", "orchestrated"]), "the bridge has placed the order", 60.0)
        return orders

    def _paid_after_a_kill(self) -> tuple[dict[tuple[str, str], str], float]:
        """Kill the processes that book payments while two orders wait for theirs."""
        shop = self._shop
        pix = {style: shop.place(shop.prepared(WAITING_SCENARIOS["pix_settled"]), style) for style in STYLES}
        eventually(partial(self._waits_for_payment, pix["choreographed"]), "the payment is pending")
        eventually(partial(self._is_idle, pix["orchestrated"]), "the workflow waits", every_s=0.2)
        killed_at = time.time()
        for process in KILLED.values():
            self._stack.kill(process)
        # While the order waits, its events are delivered once more.
        shop.client.post(f"/orders/{pix['choreographed']}/repair").raise_for_status()
        for order_id in pix.values():
            settled = shop.client.post("/webhooks/payments", json={"order_id": order_id, "status": "settled"})
            assert settled.status_code == httpx.codes.ACCEPTED, settled.text
            shop.await_end(order_id)
        return {("pix", style): order_id for style, order_id in pix.items()}, killed_at

    def _waits_for_payment(self, order_id: str) -> bool:
        return any(event["type"] == "payment.pending" for event in self._shop.timeline(order_id))

    def _is_placed(self, order_id: str) -> bool:
        return self._shop.client.get(f"/orders/{order_id}").status_code == httpx.codes.OK

    def _is_idle(self, order_id: str) -> bool:
        """Whether the workflow has heard that its payment is pending, and no task of it is under way."""

        async def history() -> list[EventType.ValueType]:
            client = await Client.connect(self._stack.ready["temporal"])
            saga = client.get_workflow_handle(workflow_id(OrderId(order_id)))
            return [event.event_type async for event in saga.fetch_history_events()]

        events = asyncio.run(history())
        under_way = {EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED}
        return EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in events and events[-1] not in under_way

    async def _trigger_schedule(self) -> None:
        client = await Client.connect(self._stack.ready["temporal"])
        await client.get_schedule_handle(FORGET).trigger()
