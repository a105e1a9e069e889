"""One order is one trace in either style: a stack as a user runs it sends its spans to a collector in this process."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import httpx2 as httpx
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from comparison.scenarios import SCENARIOS, WAITING_SCENARIOS
from comparison.span_receiver import ReceivedSpan
from domain.ids import OrderId
from domain.order import STEPS
from tests.support.otlp import Collector, collector
from tests.support.shop import Shop
from tests.support.span_trees import tree_of
from tests.support.stack import Json, Stack, running_stack
from tests.support.waiting import eventually
from workflows.order_saga import workflow_id

pytestmark = pytest.mark.embedded("starts an embedded stack whose processes send traces")

SERVICES = ("order-service", "payment-service", "inventory-service", "shipping-service")
PROCESSES = ("temporal", "kafka", "redis", "api", "saga-worker", *SERVICES, "kafka-bridge")
STYLES = ("orchestrated", "choreographed")
KILLED = {"orchestrated": "saga-worker", "choreographed": "payment-service"}
"""The process that books the payment."""

SWEEP = "start saga of the sweep"
"""On a busy machine it finds orders whose saga is about to start, and starts none of them again."""

HANDLED_BEFORE = "handled before"


def step(name: str) -> str:
    """One step of the workflow that succeeds at once."""
    return f"      RunActivity:{name} [saga-worker] (committed)\n"


def saga(*steps: str) -> str:
    outcome = "      RunActivity:have_order_end_told [saga-worker]\n"
    started = "  StartWorkflow:OrderSaga [api]\n    RunWorkflow:OrderSaga [saga-worker]\n"
    return "".join((started, *steps, outcome))


def choreography(*hops: tuple[str, str, str]) -> str:
    """Each hop: the event, the process that published it, and the one that handles it."""
    lines, indent = [], 4
    for event, publisher, service in hops:
        lines.append(f"{' ' * indent}publish {event} [{publisher}]")
        lines.append(f"{' ' * indent}  process {event} [{service}] (committed)")
        indent += 4
    return "\n".join(lines) + "\n"


PLACED = "  OrderService.place [api] (committed)\n"
CREATED = step("create_order")
CHARGED = step("charge_payment")
RESERVED = step("reserve_inventory")
SCHEDULED = step("schedule_shipping")
FINISHED = step("confirm_order") + step("sell_inventory")
CONFIRMED_ORCHESTRATED = saga(CREATED, CHARGED, RESERVED, SCHEDULED, FINISHED)

TO_CREATED = ("order.requested", "order-service", "order-service")
TO_CHARGED = ("order.created", "order-service", "payment-service")
TO_RESERVED = ("payment.completed", "payment-service", "inventory-service")
TO_SCHEDULED = ("inventory.reserved", "inventory-service", "shipping-service")
FORWARD = choreography(TO_CREATED, TO_CHARGED, TO_RESERVED, TO_SCHEDULED)
SOLD_AND_CONFIRMED = """\
                    publish shipping.scheduled [shipping-service]
                      process shipping.scheduled [inventory-service] (committed)
                      process shipping.scheduled [order-service] (committed)
                        publish order.confirmed [order-service]
"""
FAULTED = "          process order.created [payment-service] (committed, parked)\n"


@dataclass(frozen=True, slots=True)
class Traced:
    """What was played: the ids of the orders, by scenario and style, and when the processes were killed."""

    collector: Collector
    stack: Stack
    orders: Mapping[tuple[str, str], str]
    killed_at: float

    def spans(self, scenario: str, style: str) -> list[ReceivedSpan]:
        """Every span of each trace in which the order appears."""
        spans = self.collector.of_order(self.orders[scenario, style])
        of_sweep = {span.span_id for span in spans if span.name == SWEEP}
        return [span for span in spans if not {span.span_id, span.parent_id} & of_sweep]

    def assert_tree(self, scenario: str, style: str, expected: str) -> list[ReceivedSpan]:
        """Wait until the spans of the order are these and no others. Return them."""
        wanted = expected.splitlines()

        def complete() -> bool:
            return tree_of(self.spans(scenario, style)) == wanted

        try:
            eventually(complete, "the trace is complete", 20.0)
        except AssertionError:
            assert tree_of(self.spans(scenario, style)) == wanted
        spans = self.spans(scenario, style)
        assert len({span.trace_id for span in spans}) == 1
        return spans

    def log_lines(self, process: str) -> list[Json]:
        lines = (self.stack.data / "logs" / f"{process}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("traced")
    short = {"parked_longest_delay_seconds": "1", "session_timeout_ms": "3000", "log_level": "DEBUG"}
    with collector() as (received, variables), pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with running_stack(folder, "--only", ",".join(PROCESSES), **short) as stack, stack.client() as client:
            orders, killed_at = played(stack, Shop(client))
            yield Traced(received, stack, orders, killed_at)


def played(stack: Stack, shop: Shop) -> tuple[dict[tuple[str, str], str], float]:
    pair = shop.client.post("/order-pairs", json=shop.prepared(SCENARIOS["ok"]))
    pair.raise_for_status()
    orders = {("pair", style): pair.json()[style]["order_id"] for style in STYLES}
    for scenario in ("undeliverable", "flaky_gateway"):
        for style in STYLES:
            orders[scenario, style] = shop.place(shop.prepared(SCENARIOS[scenario]), style)
    pix = {style: shop.place(shop.prepared(WAITING_SCENARIOS["pix_settled"]), style) for style in STYLES}
    for style in STYLES:
        orders["cancelled", style] = shop.place(shop.prepared(WAITING_SCENARIOS["cancelled"]), style)
        eventually(partial(waits_for_payment, shop, orders["cancelled", style]), "the payment is pending")
        shop.client.post(f"/orders/{orders['cancelled', style]}/cancel").raise_for_status()
    for order_id in orders.values():
        shop.await_end(order_id)
    eventually(partial(waits_for_payment, shop, pix["choreographed"]), "the payment is pending")
    eventually(partial(is_idle, stack, pix["orchestrated"]), "the workflow waits", every_s=0.2)
    killed_at = time.time()
    for process in KILLED.values():
        stack.kill(process)
    # While the order waits, its events are delivered once more.
    shop.client.post(f"/orders/{pix['choreographed']}/repair").raise_for_status()
    for order_id in pix.values():
        settled = shop.client.post("/webhooks/payments", json={"order_id": order_id, "status": "settled"})
        assert settled.status_code == httpx.codes.ACCEPTED, settled.text
        shop.await_end(order_id)
    shop.assert_books_right()
    return orders | {("pix", style): order_id for style, order_id in pix.items()}, killed_at


def waits_for_payment(shop: Shop, order_id: str) -> bool:
    return any(event["type"] == "payment.pending" for event in shop.timeline(order_id))


def is_idle(stack: Stack, order_id: str) -> bool:
    """Whether the workflow has heard that its payment is pending, and no task of it is under way."""

    async def history() -> list[EventType.ValueType]:
        client = await Client.connect(stack.ready["temporal"])
        saga = client.get_workflow_handle(workflow_id(OrderId(order_id)))
        return [event.event_type async for event in saga.fetch_history_events()]

    events = asyncio.run(history())
    under_way = {EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED}
    return EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in events and events[-1] not in under_way


def test_an_order_pair_is_one_trace_with_two_branches(traced: Traced) -> None:
    spans = traced.assert_tree(
        "pair",
        "orchestrated",
        "POST /order-pairs [api]\n" + PLACED + PLACED + FORWARD + SOLD_AND_CONFIRMED + CONFIRMED_ORCHESTRATED,
    )

    assert spans == traced.spans("pair", "choreographed")
    for style in STYLES:
        of_style = {span.attributes["order.id"] for span in spans if span.attributes.get("saga.style") == style}
        assert of_style == {traced.orders["pair", style]}


def test_an_orchestrated_order_that_is_undone_shows_each_compensation(traced: Traced) -> None:
    undone = (
        step("begin_cancellation"),
        step("release_inventory"),
        step("refund_payment"),
        step("cancel_order"),
    )
    steps = saga(CREATED, CHARGED, RESERVED, SCHEDULED, *undone)

    traced.assert_tree("undeliverable", "orchestrated", "POST /orders [api]\n" + PLACED + steps)


def test_a_choreographed_order_that_is_undone_shows_each_compensation(traced: Traced) -> None:
    hops = choreography(
        *(TO_CREATED, TO_CHARGED, TO_RESERVED, TO_SCHEDULED),
        ("shipping.failed", "shipping-service", "inventory-service"),
        ("inventory.released", "inventory-service", "payment-service"),
        ("payment.refunded", "payment-service", "order-service"),
    )
    end = " " * 32 + "publish order.cancelled [order-service]\n"

    traced.assert_tree("undeliverable", "choreographed", "POST /orders [api]\n" + PLACED + hops + end)


def test_an_orchestrated_order_shows_each_attempt_at_a_flaky_gateway(traced: Traced) -> None:
    expected = "POST /orders [api]\n" + PLACED + saga(CREATED, 3 * CHARGED, RESERVED, SCHEDULED, FINISHED)

    spans = traced.assert_tree("flaky_gateway", "orchestrated", expected)

    assert_three_attempts([span for span in spans if span.name == "RunActivity:charge_payment"])


def test_a_choreographed_order_shows_each_attempt_at_a_flaky_gateway(traced: Traced) -> None:
    charge = "          process order.created"
    expected = "POST /orders [api]\n" + PLACED + FORWARD.replace(charge, 2 * FAULTED + charge) + SOLD_AND_CONFIRMED

    spans = traced.assert_tree("flaky_gateway", "choreographed", expected)

    assert_three_attempts([span for span in spans if span.name == "process order.created"])


def assert_three_attempts(spans: list[ReceivedSpan]) -> None:
    spans.sort(key=lambda span: span.began)
    assert [span.attributes["saga.attempt"] for span in spans] == [1, 2, 3]


def test_a_workflow_has_one_span_over_the_death_of_its_worker_and_the_payment_is_in_its_trace(traced: Traced) -> None:
    def finished() -> list[ReceivedSpan]:
        return [span for span in traced.spans("pix", "orchestrated") if span.name == "RunWorkflow:OrderSaga"]

    (run,) = eventually(finished, "the workflow's span has come")
    spans = traced.spans("pix", "orchestrated")

    assert run.began < traced.killed_at < run.ended
    assert {span.trace_id for span in spans} == {run.trace_id}
    activities = [span.name for span in spans if span.name.startswith("RunActivity:")]
    steps = ("create_order", "charge_payment", "settle_payment", "reserve_inventory", "schedule_shipping")
    assert sorted(activities) == sorted(
        f"RunActivity:{name}" for name in (*steps, "confirm_order", "sell_inventory", "have_order_end_told")
    )
    (signal,) = [span for span in spans if span.name == "HandleSignal:payment_settled"]
    assert signal.began > traced.killed_at


def test_a_choreographed_payment_goes_on_in_the_trace_of_its_order_also_over_the_death_of_the_service(
    traced: Traced,
) -> None:
    def finished() -> bool:
        return any(span.name == "publish order.confirmed" for span in traced.spans("pix", "choreographed"))

    eventually(finished, "the last span has come")
    spans = traced.spans("pix", "choreographed")
    (asked,) = [span for span in spans if span.name == "POST /orders/{order_id}/repair"]
    (trace,) = {span.trace_id for span in spans} - {asked.trace_id}

    settled = [span for span in spans if span.name == "process payment.settled"]
    webhook = [span for span in traced.collector.spans if span.name == "POST /webhooks/payments"]
    assert {span.trace_id for span in settled} == {trace}
    assert {link for span in settled for link in span.links} <= {span.trace_id for span in webhook}
    again = [span for span in spans if HANDLED_BEFORE in span.events]
    assert {"process order.requested", "process order.created"} <= {span.name for span in again}
    for name in ("order.requested", "order.created", "payment.completed", "inventory.reserved"):
        handled = [span for span in spans if span.name == f"process {name}"]
        first = [span for span in handled if HANDLED_BEFORE not in span.events]
        assert len(first) == 1, name


@pytest.mark.parametrize(
    ("style", "begins", "ends"),
    [
        ("orchestrated", "HandleUpdate:cancel", "RunWorkflow:OrderSaga"),
        ("choreographed", "cancel", "publish order.cancelled"),
    ],
)
def test_a_cancellation_goes_on_in_the_trace_of_its_order_and_links_the_request(
    traced: Traced, style: str, begins: str, ends: str
) -> None:
    def by_name() -> dict[str, ReceivedSpan] | None:
        found = {span.name: span for span in traced.spans("cancelled", style)}
        return found if ends in found else None

    spans = eventually(by_name, "the trace is complete")

    request = spans["POST /orders/{order_id}/cancel"]
    assert list(spans[begins].links) == [request.trace_id]
    assert spans[begins].trace_id == spans[ends].trace_id == spans["POST /orders"].trace_id != request.trace_id


def test_spans_say_which_order_style_step_and_attempt_they_are_about(traced: Traced) -> None:
    for (scenario, style), order_id in traced.orders.items():
        if scenario == "pair":
            continue
        for span in traced.spans(scenario, style):
            assert span.attributes["order.id"] == order_id, span
            assert span.attributes.get("saga.style", style) == style or span.name.startswith("process payment.settled")
        steps = {span.attributes.get("saga.step") for span in traced.spans(scenario, style)}
        assert {step.value for step in STEPS[: 2 if scenario == "cancelled" else 4]} <= steps
        for span in traced.spans(scenario, style):
            if span.name.startswith(("RunActivity:", "process ")):  # the others are within one of these, or without
                assert span.attributes["saga.attempt"] >= 1


def test_no_span_has_a_name_an_address_or_a_token(traced: Traced) -> None:
    everything = b"".join(traced.collector.raw)

    for secret in (b"Souza", b"Paulista", b"Sao Paulo", b"01310", b"00000", b"tok_"):
        assert secret not in everything


@pytest.mark.parametrize(("style", "processes"), [("orchestrated", ("saga-worker",)), ("choreographed", SERVICES)])
def test_an_order_can_be_followed_through_the_logs_of_all_processes(
    traced: Traced, style: str, processes: tuple[str, ...]
) -> None:
    order_id = traced.orders["flaky_gateway", style]
    (trace,) = {span.trace_id for span in traced.spans("flaky_gateway", style)}

    for process in ("api", *processes):
        lines = [line for line in traced.log_lines(process) if order_id in json.dumps(line)]
        assert lines, process
        # What only reads is not traced.
        written = [line for line in lines if line.get("method") != "GET"]
        assert {(line.get("order_id"), line.get("trace_id"), line["process"]) for line in written} == {
            (order_id, trace, process)
        }, written
