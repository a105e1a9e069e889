"""`revoke` of a Celery task that a workflow answers cancels the workflow.

The task's body has ended long ago, so Celery itself has nobody left to stop.
"""

import asyncio
from typing import Any

from celery import Celery, signals, states
from celery.utils.functional import maybe_list
from celery.worker import state as worker_state
from celery.worker.control import Panel
from temporalio.client import Client, WorkflowExecutionStatus

from twinsaga_bridges.blocking_calls import BlockingCalls
from twinsaga_bridges.celery.start_for_caller import workflow_key
from twinsaga_bridges.client_per_process import ClientPerProcess

CANCEL_DEADLINE_S = 30.0
LOOK_AGAIN_S = 0.1


class RevokeCancelsWorkflow:
    def __init__(self, app: Celery, client: ClientPerProcess) -> None:
        self._app = app
        self._client = client
        self._calls = BlockingCalls("celery-revoke")

    def install(self) -> None:
        """In the main process of this app's workers, which is where Celery's commands arrive."""
        signals.worker_init.connect(self._wrap, weak=False)

    def _wrap(self, **_: object) -> None:
        celerys_own = Panel.data["revoke"]

        def revoke(state: Any, task_id: Any, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - a command's
            answer = celerys_own(state, task_id, *args, **kwargs)
            for each in maybe_list(task_id) or ():
                self._client.start(self._cancelling(str(each)), CANCEL_DEADLINE_S, f"revoke of task {each}")
            return answer

        Panel.data["revoke"] = revoke

    def _cancelling(self, task_id: str) -> Any:  # noqa: ANN401 - a coroutine function
        async def cancel(client: Client) -> None:
            workflow_id = await self._workflow_of(task_id)
            if workflow_id is None:
                return
            workflow = client.get_workflow_handle(workflow_id)
            if (await workflow.describe()).status == WorkflowExecutionStatus.RUNNING:
                await workflow.cancel(reason=f"Celery task {task_id} revoked")
            else:
                await self._calls.on_thread(self._end_unanswered, task_id)

        return cancel

    async def _workflow_of(self, task_id: str) -> str | None:
        """While the task's body is at it, the workflow is about to be."""
        backend: Any = self._app.backend
        while True:
            starting = any(request.id == task_id for request in worker_state.active_requests)
            found = await self._calls.on_thread(backend.get, workflow_key(task_id))
            if found is not None and not starting:
                return bytes(found).decode()
            if not starting:
                return None
            await asyncio.sleep(LOOK_AGAIN_S)

    def _end_unanswered(self, task_id: str) -> None:
        """The workflow is closed; if it could not answer, as when it was terminated, the task ends here."""
        if self._app.backend.get_state(task_id) not in states.READY_STATES:
            self._app.backend.mark_as_revoked(task_id, "revoked", store_result=True)
