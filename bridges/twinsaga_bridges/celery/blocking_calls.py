"""Celery and redis-py block, so an event loop makes their calls on threads, each with a deadline."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

CALL_DEADLINE_S = 10.0
THREADS = 8


class BlockingCalls:
    """`name`: prefix of the threads' names."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    async def on_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call on a thread, in the caller's context, where a tracer that instruments Celery finds the current span.

        Raises TimeoutError after CALL_DEADLINE_S: the call goes on, and its result is dropped.
        """
        within = copy_context()
        result = asyncio.get_running_loop().run_in_executor(self._threads, lambda: within.run(call, *args, **kwargs))
        async with asyncio.timeout(CALL_DEADLINE_S):
            return await result
