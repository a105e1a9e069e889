"""`twinsaga.place_order`: a Celery task that the orchestrated saga answers."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from celery import Celery, current_task
from pydantic import ValidationError
from temporalio.service import RPCError

from domain.commands import PlaceOrder
from domain.errors import Fault
from domain.ids import order_id_from_key
from domain.order import SagaStyle
from estate.task_context import WorkPerProcess
from estate.video_workflows import DEADLINE_S, VideoWorkflows
from runtime.errors import CannotRun
from runtime.temporal import start_saga
from services.estate.task_names import PLACE_ORDER
from services.intake.order_body import OrderPairBody, fingerprint_of
from twinsaga_bridges.celery_into_workflow import StartWorkflow, TasksAnsweredByWorkflows
from workflows.order_saga import workflow_id

TEMPORAL_AWAY = (RPCError, RuntimeError, TimeoutError, CannotRun)
DATABASE_RETRIES = 100


class InvalidOrder(ValueError):
    """Names the fields that are wrong."""


def add_place_order(app: Celery, works: WorkPerProcess, workflows: VideoWorkflows) -> None:
    tasks = TasksAnsweredByWorkflows(app, workflows.client)

    @tasks.task(name=PLACE_ORDER, autoretry_for=(Fault,), retry_backoff=True, retry_backoff_max=30)
    def place_order(order: Mapping[str, Any]) -> StartWorkflow:
        """Write the order as the API does, start its saga, and let the saga answer.

        The order's id comes from the task's, so that the same task is one order.
        """
        work = works.here()
        command = _command(order)
        work.services.orders.place(command)
        with suppress(*TEMPORAL_AWAY):  # the bridge finds out again, and retries
            workflows.client.call(lambda client: start_saga(client, command.request, work.settings), DEADLINE_S)
        order_id = command.request.order_id
        return StartWorkflow(
            workflow="OrderSaga",
            args=[command.request],
            task_queue=work.settings.temporal_task_queue,
            id=workflow_id(order_id),
        )


def _command(order: Mapping[str, Any]) -> PlaceOrder:
    try:
        body = OrderPairBody.model_validate(order)
    except ValidationError as invalid:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in invalid.errors(include_input=False)]
        raise InvalidOrder("; ".join(wrong)) from None
    request = body.to_request(order_id_from_key("celery", str(current_task.request.id)))
    return PlaceOrder(request=request, style=SagaStyle.ORCHESTRATED, fingerprint=fingerprint_of(body))
