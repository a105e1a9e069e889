"""The Celery app: one task that works, and one that a workflow answers."""

import time
from pathlib import Path

from addresses import REDIS, TEMPORAL
from celery import Celery
from temporalio.client import Client

from twinsaga_bridges.celery_into_workflow import StartWorkflow, TasksAnsweredByWorkflows
from twinsaga_bridges.workflow_into_celery import ClientPerProcess, TaskClaims, install

app = Celery("invoices", broker=f"{REDIS}/0", backend=f"{REDIS}/1")
app.conf.update(
    broker_connection_retry_on_startup=True,
    # A killed worker loses no task: its message was not acknowledged, and is delivered again after ten seconds.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 10},
)

# @@@SNIPSTART workflow-into-celery-app
claims = TaskClaims.at(f"{REDIS}/2")
temporal = ClientPerProcess(lambda runtime: Client.connect(TEMPORAL, runtime=runtime))
install(app, temporal, claims)  # before the first task is defined


@app.task(name="invoices.render")
def render(number: str, amount: int) -> str:
    time.sleep(0.5)  # a slow printer
    pdf = Path("rendered", f"{number}.pdf")
    pdf.parent.mkdir(exist_ok=True)
    pdf.write_text(f"Invoice {number}: {amount}\n")
    return str(pdf)


# @@@SNIPEND

# @@@SNIPSTART celery-into-workflow-app
answered = TasksAnsweredByWorkflows(app, temporal)


@answered.task(name="invoices.send")
def send(number: str, amount: int) -> StartWorkflow:
    return StartWorkflow(workflow="Invoice", args=[number, amount], task_queue="invoices", id=f"invoice/{number}")


# @@@SNIPEND
