"""What the activity's side asks of Celery, off the event loop."""

from celery import Celery

from twinsaga_bridges.blocking_calls import BlockingCalls
from twinsaga_bridges.celery.task_call import CeleryTaskCall
from twinsaga_bridges.celery.task_claims import TaskClaims
from twinsaga_bridges.celery.task_outcome import Ending, stored_ending


class CeleryCalls(BlockingCalls):
    def __init__(self, app: Celery, claims: TaskClaims) -> None:
        super().__init__("celery-calls")
        self.app = app
        self.claims = claims

    async def stored_ending(self, task_id: str) -> Ending | None:
        return await self.on_thread(stored_ending, self.app, task_id)

    async def send(self, call: CeleryTaskCall, task_id: str) -> None:
        await self.on_thread(
            self.app.send_task,
            call.name,
            args=list(call.args),
            kwargs=dict(call.kwargs),
            task_id=task_id,
            queue=call.queue,
            ignore_result=False,  # a lost completion is mended from the stored result
            add_to_parent=False,
            retry=False,  # Temporal retries
        )
        await self.on_thread(self.claims.sent, task_id)

    async def revoke(self, task_id: str, *, terminate: bool) -> None:
        await self.on_thread(self.app.control.revoke, task_id, terminate=terminate)
