"""One order is one trace in either style: a stack as a user runs it sends its spans to a collector in this process."""

import json

import pytest

from comparison.span_receiver import ReceivedSpan
from domain.order import STEPS
from tests.support.traced_stack import HANDLED_BEFORE, SERVICES, STYLES, TRACED, Traced
from tests.support.waiting import eventually

pytestmark = pytest.mark.embedded("starts an embedded stack whose processes send traces")


def step(name: str) -> str:
    """One step of the workflow that succeeds at once."""
    return f"      RunActivity:{name} [saga-worker] (committed)\n"


def saga(*steps: str) -> str:
    told = "process order.confirmed" if FINISHED in steps else "process order.cancelled"
    outcome = f"      RunActivity:have_order_end_told [saga-worker]\n    {told} [order-mails]\n"
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
                          process order.confirmed [order-mails]
"""
FAULTED = "          process order.created [payment-service] (committed, parked)\n"


def test_an_order_pair_is_one_trace_with_two_branches(traced: Traced) -> None:
    spans = traced.assert_tree(
        "pair",
        "orchestrated",
        "POST /order-pairs [api]\n" + PLACED + PLACED + FORWARD + SOLD_AND_CONFIRMED + CONFIRMED_ORCHESTRATED,
    )

    of_other = traced.spans("pair", "choreographed")
    assert {span.trace_id for span in spans} == {span.trace_id for span in of_other}
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
    end += " " * 34 + "process order.cancelled [order-mails]\n"

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
    (webhook,) = [span for span in spans if span.name == "POST /webhooks/payments"]
    assert {span.trace_id for span in spans} == {run.trace_id, webhook.trace_id}
    (brought,) = [span for span in spans if span.process == "kafka-bridge"]
    assert brought.parent_id == webhook.span_id
    activities = [span.name for span in spans if span.name.startswith("RunActivity:")]
    steps = ("create_order", "charge_payment", "settle_payment", "reserve_inventory", "schedule_shipping")
    assert sorted(activities) == sorted(
        f"RunActivity:{name}" for name in (*steps, "confirm_order", "sell_inventory", "have_order_end_told")
    )
    (signal,) = [span for span in spans if span.name == "HandleSignal:payment_settled"]
    assert list(signal.links) == [webhook.trace_id]
    assert signal.began > traced.killed_at


def test_a_choreographed_payment_goes_on_in_the_trace_of_its_order_also_over_the_death_of_the_service(
    traced: Traced,
) -> None:
    def finished() -> bool:
        return any(span.name == "publish order.confirmed" for span in traced.spans("pix", "choreographed"))

    eventually(finished, "the last span has come")
    spans = traced.spans("pix", "choreographed")
    (asked,) = [span for span in spans if span.name == "POST /orders/{order_id}/repair"]
    (webhook,) = [span for span in spans if span.name == "POST /webhooks/payments"]
    (trace,) = {span.trace_id for span in spans} - {asked.trace_id, webhook.trace_id}

    settled = [span for span in spans if span.name == "process payment.settled" and span.process in SERVICES]
    assert {span.trace_id for span in settled} == {trace}
    assert {link for span in settled for link in span.links} == {webhook.trace_id}
    assert "choreographed" in {span.attributes.get("saga.style") for span in settled}
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
            assert span.attributes.get("saga.style", style) == style
        steps = {span.attributes.get("saga.step") for span in traced.spans(scenario, style)}
        assert {step.value for step in STEPS[: 2 if scenario == "cancelled" else 4]} <= steps
        for span in traced.spans(scenario, style):
            if span.name.startswith(("RunActivity:", "run ")) or (span.process in SERVICES and "process" in span.name):
                assert span.attributes["saga.attempt"] >= 1  # the others are within one of these, or without


def test_no_span_has_a_name_an_address_or_a_token(traced: Traced) -> None:
    traced.trace_with("publish order.confirmed", "run twinsaga.send_email")
    everything = b"".join(traced.collector.raw)

    assert {span.process for span in traced.collector.spans} == TRACED
    for secret in (b"Souza", b"Paulista", b"Sao Paulo", b"01310", b"00000", b"tok_", b"ana.souza", b"example.com"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("scenario", "style", "processes"),
    [
        ("flaky_gateway", "orchestrated", ("api", "saga-worker")),
        ("flaky_gateway", "choreographed", ("api", *SERVICES)),
        ("kafka", "orchestrated", ("kafka-bridge", "saga-worker", "order-mails", "celery-worker")),
        ("celery", "orchestrated", ("celery-worker", "saga-worker", "order-mails")),
        ("mailed", "choreographed", ("api", *SERVICES, "order-mails", "celery-worker")),
    ],
)
def test_an_order_can_be_followed_through_the_logs_of_all_processes(
    traced: Traced, scenario: str, style: str, processes: tuple[str, ...]
) -> None:
    order_id = traced.orders[scenario, style]
    (trace,) = {span.trace_id for span in traced.spans(scenario, style)}

    for process in processes:
        lines = [line for line in traced.log_lines(process) if order_id in json.dumps(line)]
        assert lines, process
        # What only reads is not traced.
        written = [line for line in lines if line.get("method") != "GET"]
        assert {(line.get("order_id"), line.get("trace_id"), line["process"]) for line in written} == {
            (order_id, trace, process)
        }, written
