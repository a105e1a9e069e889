"""One program and its process."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from runtime import parent_death

Answers = Callable[[], Awaitable[bool]]
LOOK_EVERY_SECONDS = 0.05


async def nothing() -> None:
    """Do nothing about a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`command` begins with an absolute path. `answers` never raises and is bounded in time by itself.

    `before_start` is called before each start, `before_restart` and `after_restart` only where it has run before. The
    last is called when it answers, and may raise CannotRun, which is then the program's failure.
    While it `is_held`, somebody wants it to be away: its end is no death, and it is not started.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    answers: Answers
    before_start: Callable[[], None] = lambda: None
    before_restart: Callable[[], Awaitable[None]] = nothing
    after_restart: Callable[[], Awaitable[None]] = nothing
    is_held: Callable[[], bool] = lambda: False


class Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, program: Program, output: int) -> "Child":
        """Call it on the main thread (see `parent_death`). `output` is a file descriptor that is closed here."""
        program.before_start()
        try:
            process = await asyncio.create_subprocess_exec(
                *parent_death.command_prefix(),
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=program.environment,
                start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's alone, which stops in order
            )
        finally:
            os.close(output)
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def end(self) -> str:
        """Wait for the process to end, and say how it did."""
        code = await self._process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def stop(self, deadline_seconds: float) -> bool:
        """SIGTERM, then SIGKILL for it and all that it has started. False if it had to be killed."""
        try:
            with suppress(ProcessLookupError):
                self._process.terminate()
            async with asyncio.timeout(deadline_seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        return True


async def wait_until(answers: Answers) -> None:
    while not await answers():  # noqa: ASYNC110 - another process becomes ready, and sets no event here
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def before_any_ends(tasks: list[asyncio.Task[None]], work: Awaitable[Any]) -> None:
    """Await `work`, unless one of `tasks` ends first: then raise what that one raised."""
    wanted = asyncio.ensure_future(work)
    try:
        await asyncio.wait({wanted, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        await wanted
    finally:
        wanted.cancel()
        await asyncio.gather(wanted, return_exceptions=True)
