"""Celery and redis-py block, so an event loop makes their calls on threads, each with a deadline."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from celery import Celery

from twinsaga_bridges.celery.task_call import CeleryTaskCall
from twinsaga_bridges.celery.task_claims import TaskClaims
from twinsaga_bridges.celery.task_outcome import Outcome, stored_outcome

P = ParamSpec("P")
T = TypeVar("T")

CALL_DEADLINE_S = 10.0
THREADS = 8


class BlockingCalls:
    """`name`: prefix of the threads' names."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    async def on_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the call on a thread.

        Raises:
            TimeoutError: it took longer than CALL_DEADLINE_S. The call goes on; its result is dropped.
        """
        result = asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*args, **kwargs))
        async with asyncio.timeout(CALL_DEADLINE_S):
            return await result


class CeleryCalls(BlockingCalls):
    """The calls to Celery and to the claims that the activity and its watch make."""

    def __init__(self, app: Celery, claims: TaskClaims) -> None:
        super().__init__("celery-calls")
        self.app = app
        self.claims = claims

    async def stored_outcome(self, task_id: str) -> Outcome | None:
        return await self.on_thread(stored_outcome, self.app, task_id)

    async def send(self, call: CeleryTaskCall, task_id: str) -> None:
        await self.on_thread(
            self.app.send_task,
            call.name,
            args=list(call.args),
            kwargs=dict(call.kwargs),
            task_id=task_id,
            queue=call.queue,
            ignore_result=False,  # a lost completion is recovered from the stored result
            add_to_parent=False,
            retry=False,  # Temporal retries
        )
        # After the send: if the process dies in between, the claim says SENDING and the task is sent again. The copy
        # is dropped when it starts, whereas a task that was recorded but never sent would be lost.
        await self.on_thread(self.claims.sent, task_id)

    async def revoke(self, task_id: str, *, terminate: bool) -> None:
        await self.on_thread(self.app.control.revoke, task_id, terminate=terminate)
