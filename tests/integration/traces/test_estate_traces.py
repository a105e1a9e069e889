"""The traces of orders that come in through the bridges, of Celery tasks, and of mails."""

import pytest

from tests.support.span_trees import tree_of
from tests.support.traced_stack import OF_CELERY, OF_KAFKA, WITNESS, Traced

pytestmark = pytest.mark.embedded("starts an embedded stack whose processes send traces")

KAFKA_STARTED = """\
process order-requests [kafka-bridge] (committed)
  RunWorkflow:OrderSaga [saga-worker]
    RunActivity:create_order [saga-worker] (committed)
    RunActivity:charge_payment [saga-worker] (committed)
    RunActivity:reserve_inventory [saga-worker] (committed)
    RunActivity:schedule_shipping [saga-worker] (committed)
    RunActivity:confirm_order [saga-worker] (committed)
    RunActivity:sell_inventory [saga-worker] (committed)
    RunActivity:have_order_end_told [saga-worker]
  process order.confirmed [order-mails]
    run twinsaga.send_email [celery-worker]
"""
TASK_AWAITED = """\
RunWorkflow:RunScheduledTask [saga-worker]
  RunActivity:run_celery_task [saga-worker]
    run twinsaga.forget_what_is_old [celery-worker]
"""
WELCOMED = """\
POST /users [api]
  run twinsaga.send_email [celery-worker]
"""


def ids_in(traceparent: str) -> tuple[str, str]:
    """Return the ids of the trace and of the span."""
    _, trace_id, span_id, _ = traceparent.split("-")
    return trace_id, span_id


def test_an_order_that_comes_by_kafka_goes_on_in_the_trace_of_its_record(traced: Traced) -> None:
    spans = traced.assert_tree("kafka", "orchestrated", KAFKA_STARTED)

    (began,) = [span for span in spans if span.name == "process order-requests"]
    assert (began.trace_id, began.parent_id) == ids_in(OF_KAFKA)


def test_an_order_that_comes_by_celery_goes_on_in_the_trace_of_its_task(traced: Traced) -> None:
    spans = traced.trace_with("run twinsaga.place_order", "RunWorkflow:OrderSaga", "run twinsaga.send_email")

    by_id = {span.span_id: span for span in spans}
    (task,) = [span for span in spans if span.name == "run twinsaga.place_order"]
    (saga,) = [span for span in spans if span.name == "RunWorkflow:OrderSaga"]
    (answer,) = [span for span in spans if span.name == "RunActivity:finish_celery_task"]
    assert (task.trace_id, task.parent_id) == ids_in(OF_CELERY)
    assert by_id[saga.parent_id].name == "StartWorkflow:OrderSaga"
    assert by_id[saga.parent_id].parent_id == task.span_id
    assert answer.parent_id == saga.span_id
    assert (task.process, task.failed) == ("celery-worker", False)
    assert {span.attributes["order.id"] for span in spans} == {traced.orders["celery", "orchestrated"]}


def test_a_celery_task_that_a_workflow_awaits_is_in_the_trace_of_the_workflow(traced: Traced) -> None:
    spans = traced.trace_with(
        *(line.split()[0] for line in TASK_AWAITED.splitlines()[:2]), "run twinsaga.forget_what_is_old"
    )

    assert tree_of(spans) == TASK_AWAITED.splitlines()
    assert not any(span.failed for span in spans)


def test_a_mail_is_in_the_trace_of_what_it_tells(traced: Traced) -> None:
    of_order = traced.trace_with("publish order.confirmed", "run twinsaga.send_email")
    welcome = traced.trace_with("POST /users", "run twinsaga.send_email")

    by_id = {span.span_id: span for span in of_order}
    (mail,) = [span for span in of_order if span.name == "run twinsaga.send_email"]
    noticed = by_id[mail.parent_id]
    assert (noticed.name, noticed.process) == ("process order.confirmed", "order-mails")
    assert by_id[noticed.parent_id].name == "publish order.confirmed"
    assert {mail.attributes["order.id"]} == {traced.orders["mailed", "choreographed"]}
    assert tree_of(welcome) == WELCOMED.splitlines()


def test_the_witness_of_a_choreographed_order_has_one_span_in_its_trace(traced: Traced) -> None:
    spans = traced.trace_with(WITNESS, "publish order.confirmed")

    (witness,) = [span for span in spans if span.name == WITNESS]
    assert witness.process == "kafka-bridge"
    assert not [span for span in spans if span.parent_id == witness.span_id]
