"""A caller of Celery tasks that workflows answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.result import AsyncResult
from temporalio.client import Client
from temporalio.worker import Worker

from tests.integration.bridges.celery_tasks.answering import Doubles, Mirrors, pack, unpack
from tests.integration.bridges.celery_tasks.engines import Addresses, celery_client
from tests.support.waiting import eventually
from twinsaga_bridges.celery_into_workflow import CeleryCallersPlugin
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims

RESULT_WITHIN_S = 120.0
"""Far longer than any test needs on an idle machine."""


class Shop:
    """A caller that uses tasks by name, and the worker of the workflows."""

    def __init__(self, app: Celery, queue: str, client: Client) -> None:
        self.app = app
        self.queue = queue
        self.client = client

    def double(self, value: int, how: str = "", task_id: str | None = None, **kwargs: object) -> "AsyncResult[Any]":
        arguments = {"queue": self.queue, "how": how, **kwargs}
        return self.app.send_task("estate.double", (value,), arguments, task_id=task_id)

    def doubling(self, *value: int, how: str = "") -> Any:  # noqa: ANN401 - a signature, of many types
        return self.app.signature("estate.double", args=value, kwargs={"queue": self.queue, "how": how})

    async def got(self, result: "AsyncResult[Any]") -> object:
        return await asyncio.to_thread(result.get, timeout=RESULT_WITHIN_S)

    async def until(self, result: "AsyncResult[Any]", state: str) -> None:
        reached = lambda: result.state == state  # noqa: E731 - a name for what is awaited
        await asyncio.to_thread(eventually, reached, f"the task is {state}")


@asynccontextmanager
async def open_shop(addresses: Addresses, task_queue: str | None = None) -> AsyncIterator[Shop]:
    queue, app, workers_app = (
        task_queue or f"sagas-{uuid4().hex[:8]}",
        celery_client(addresses),
        celery_client(addresses),
    )
    client = await Client.connect(addresses.temporal)
    claims = TaskClaims.at(f"{addresses.redis}/2")
    plugins = [CeleryCallersPlugin(workers_app), CeleryTasksPlugin(workers_app, claims)]
    workflows, activities = [Doubles, Mirrors], [pack, unpack]
    async with Worker(client, task_queue=queue, workflows=workflows, activities=activities, plugins=plugins):
        yield Shop(app, queue, client)
    app.close()
