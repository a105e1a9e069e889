"""`twinsaga.place_order`: a Celery task that the orchestrated saga answers."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from celery import Celery, current_task
from temporalio.service import RPCError

from adapters.order_spans import order_attributes
from domain.order import SagaStyle
from estate.task_context import TaskContexts
from estate.video_workflows import DEADLINE_S, VideoWorkflows
from messaging import tracing
from messaging.errors import Fault
from runtime.errors import CannotRun
from runtime.sealing import seals
from runtime.temporal import start_saga
from services.estate.task_names import PLACE_ORDER
from services.intake.order_body import place_order_command, read_order
from twinsaga_bridges.celery_into_workflow import StartWorkflow, TasksAnsweredByWorkflows
from workflows.order_saga import workflow_id

TEMPORAL_AWAY = (RPCError, RuntimeError, TimeoutError, CannotRun)


def add_place_order(app: Celery, contexts: TaskContexts, workflows: VideoWorkflows) -> None:
    tasks = TasksAnsweredByWorkflows(app, workflows.client)

    @tasks.task(name=PLACE_ORDER, autoretry_for=(Fault,), retry_backoff=True, retry_backoff_max=30)
    def place_order(order: Mapping[str, Any]) -> StartWorkflow:
        """Write the order as the API does, start its saga, and let the saga answer.

        The order id is derived from the task id, so that a redelivered task is the same order.
        """
        context, task_id = contexts.current(), str(current_task.request.id)
        body, sealing = read_order(order), seals(context.settings)
        command = place_order_command(body, SagaStyle.ORCHESTRATED, sealing, scope="celery", key=task_id)
        request, settings = command.request, context.settings
        tracing.note(order_attributes(request.order_id, SagaStyle.ORCHESTRATED))
        context.services.orders.place(command)
        # The order is committed before its saga starts: the bridge below, or the sweep, starts a saga that is missing.
        with suppress(*TEMPORAL_AWAY):
            workflows.client.call(lambda client: start_saga(client, request, settings), DEADLINE_S)
        return StartWorkflow(
            workflow="OrderSaga",
            args=[request],
            task_queue=settings.temporal_task_queue,
            id=workflow_id(request.order_id),
        )
