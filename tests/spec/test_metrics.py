"""Each process exposes metrics, at the address in the ready file. Alerts and dashboard ask for no others."""

from collections.abc import Mapping

import httpx2 as httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from comparison.scenarios import SCENARIOS
from embedded.addresses import METRICS
from tests.support.metrics import SCRAPE_DEADLINE_S, Scraped
from tests.support.observe import OF_PROMETHEUS, expressions, selectors
from tests.support.operators import retry, stuck_order
from tests.support.shop import Shop
from tests.support.stack import Json, Stack
from tests.support.waiting import eventually

SERVICES = {"order-service", "payment-service", "inventory-service", "shipping-service"}
MEASURES = ("twinsaga_consumer_lag", "twinsaga_parked_messages", "twinsaga_outbox_age_seconds")
OF_PROCESSES_SERVICE = {
    "create_order": "order-service",
    "charge_payment": "payment-service",
    "reserve_inventory": "inventory-service",
    "schedule_shipping": "shipping-service",
    "confirm_order": "order-service",
}
ONLY_AFTER_FAILURES = {
    "temporal_workflow_task_execution_failed_total",
    "temporal_request_failure_total",
    "temporal_long_request_failure_total",
}
"""tests/integration/test_temporal_metrics.py provokes them."""


def scraped(stack: Stack, process: str) -> Scraped:
    return Scraped(stack.ready["metrics"][process])


def await_idle(stack: Stack, name: str) -> None:
    """Nothing of the service is behind, parked or waiting."""
    for measure in MEASURES:
        scraped(stack, name).await_value(measure, lambda value: value == 0, "0", service=name)


def value(stack: Stack, process: str, name: str, **labels: str) -> float:
    return scraped(stack, process).value(name, **labels) or 0.0


def step_counts(stack: Stack, style: str) -> Mapping[str, float]:
    """Attempts by step that were done."""
    return {
        step: value(
            stack,
            "saga-worker" if style == "orchestrated" else service,
            "twinsaga_step_seconds_count",
            style=style,
            step=step,
            outcome="done",
        )
        for step, service in OF_PROCESSES_SERVICE.items()
    }


def test_every_process_tells_its_metrics_and_tells_them_again_after_a_restart(stack: Stack) -> None:
    addresses = stack.ready["metrics"]
    assert addresses.keys() == METRICS.keys()
    for name in SERVICES:
        await_idle(stack, name)

    stack.kill("shipping-service")

    assert stack.ready["metrics"] == addresses
    await_idle(stack, "shipping-service")


def test_the_steps_and_the_end_of_an_order_are_counted_in_its_style(shop: Shop, stack: Stack, style: str) -> None:
    process = "saga-worker" if style == "orchestrated" else "order-service"
    steps, ended = step_counts(stack, style), {"style": style, "outcome": "confirmed"}
    orders = value(stack, process, "twinsaga_saga_seconds_count", **ended)

    shop.await_end(shop.place(shop.prepared(SCENARIOS["ok"]), style))

    # An attempt is counted after its commit, by which the order may have ended already.
    eventually(
        lambda: all(count > steps[step] for step, count in step_counts(stack, style).items()), "every step is counted"
    )
    assert value(stack, process, "twinsaga_saga_seconds_count", **ended) == orders + 1


def test_a_refusal_is_no_fault(shop: Shop, stack: Stack, style: str) -> None:
    process = "saga-worker" if style == "orchestrated" else "payment-service"
    charge = {"style": style, "step": "charge_payment"}
    refused = value(stack, process, "twinsaga_step_seconds_count", outcome="refused", **charge)
    faults = value(stack, process, "twinsaga_step_seconds_count", outcome="fault", **charge)

    shop.await_end(shop.place(shop.prepared(SCENARIOS["declined"]), style))
    shop.await_end(shop.place(shop.prepared(SCENARIOS["flaky_gateway"]), style))

    assert value(stack, process, "twinsaga_step_seconds_count", outcome="refused", **charge) == refused + 1
    assert value(stack, process, "twinsaga_step_seconds_count", outcome="fault", **charge) >= faults + 2


def test_an_order_that_needs_attention_is_a_number_and_its_dead_letter_too(shop: Shop, stack: Stack) -> None:
    unfinished = scraped(stack, "order-service")
    labels = {"style": "choreographed", "status": "needs_attention"}
    before = unfinished.value("twinsaga_orders_unfinished", **labels) or 0.0
    letter = {"service": "payment-service", "error": "GatewayFault"}
    letters = value(stack, "payment-service", "twinsaga_dead_letters_total", **letter)

    order_id = stuck_order(shop, "choreographed")

    unfinished.await_value("twinsaga_orders_unfinished", lambda now: now == before + 1, f"{before + 1}", **labels)
    assert value(stack, "payment-service", "twinsaga_dead_letters_total", **letter) == letters + 1

    assert retry(shop, order_id).status_code == httpx.codes.ACCEPTED
    shop.await_end(order_id)
    unfinished.await_value("twinsaga_orders_unfinished", lambda now: now == before, f"{before}", **labels)


def test_the_runs_of_tasks_are_counted_by_outcome_and_timed(stack: Stack) -> None:
    worker, task = scraped(stack, "celery-worker"), "twinsaga.hand_over_tasks"  # a sweep, sent every other second
    before = worker.value("twinsaga_celery_tasks_total", task=task, outcome="succeeded") or 0.0

    worker.await_value("twinsaga_celery_tasks_total", lambda now: now > before, "more", task=task, outcome="succeeded")
    assert value(stack, "celery-worker", "twinsaga_celery_task_seconds_count", task=task) > 0
    assert worker.value("twinsaga_celery_queue_length", queue="twinsaga") is not None


def test_alerts_and_dashboard_ask_only_for_what_the_processes_expose(shop: Shop, stack: Stack) -> None:
    order = shop.prepared(SCENARIOS["ok"])
    ids = [shop.place(order, style) for style in ("orchestrated", "choreographed")]
    for order_id in ids:
        shop.await_end(order_id)
    texts = [httpx.get(url, timeout=SCRAPE_DEADLINE_S).text for url in stack.ready["metrics"].values()]
    exposed = {name: family for text in texts for family in families(text) for name in names_of(family)}

    for selector in (selector for expression in expressions() for selector in selectors(expression)):
        assert selector.name in exposed.keys() | ONLY_AFTER_FAILURES | OF_PROMETHEUS
        if selector.name in exposed and exposed[selector.name].samples:
            known = {label for sample in exposed[selector.name].samples for label in sample.labels} | {"job", "process"}
            assert {matcher.name for matcher in selector.matchers.matchers} <= known, str(selector)
    assert_names_nobody("\n".join(texts), ids, order)


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def names_of(family: Metric) -> set[str]:
    """The names of its series, also of one that has none yet."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
    return {family.name + ending for ending in endings}


def assert_names_nobody(text: str, order_ids: list[str], order: Json) -> None:
    private = [*order_ids, order["customer_id"], *order["shipping_address"].values(), order["payment"]["token"]]
    quoted = {f'"{each}"' for each in private if each != "BR"}
    assert [each for each in quoted if each in text] == []
