"""Starts and cancels the workflow of a video, from code that blocks."""

from datetime import timedelta
from functools import partial

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from runtime.settings import Settings
from runtime.temporal import connect
from services.estate.records import QueuedTask
from twinsaga_bridges.client_per_process import ClientPerProcess

DEADLINE_S = 8.0
RPC_DEADLINE = timedelta(seconds=5)


class VideoWorkflows:
    """For threads: each method blocks. Raises RPCError, RuntimeError, TimeoutError or CannotRun if Temporal is away."""

    def __init__(self, settings: Settings) -> None:
        self._task_queue = settings.temporal_task_queue
        self.client = ClientPerProcess(partial(connect, settings))

    def start(self, task: QueuedTask) -> None:
        self.client.call(lambda client: self._start(client, task), DEADLINE_S)

    def cancel(self, workflow_id: str) -> None:
        self.client.call(
            lambda client: client.get_workflow_handle(workflow_id).cancel(rpc_timeout=RPC_DEADLINE), DEADLINE_S
        )

    async def _start(self, client: Client, task: QueuedTask) -> None:
        try:
            await client.start_workflow(
                task.task,
                args=task.arguments,
                id=task.task_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary="compress a video",
                rpc_timeout=RPC_DEADLINE,
            )
        except WorkflowAlreadyStartedError:
            return
