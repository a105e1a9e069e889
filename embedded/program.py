"""One program and its process."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from runtime import parent_death

Answers = Callable[[], Awaitable[bool]]
POLL_INTERVAL_SECONDS = 0.05


async def nothing() -> None:
    """The default of the restart hooks."""


class Process(Protocol):
    @property
    def pid(self) -> int: ...

    def terminate(self) -> None:
        """Send SIGTERM. May raise ProcessLookupError: the process has ended."""
        ...

    async def wait(self) -> int:
        """Return the exit code, or the negative number of the signal that killed the process."""
        ...


async def run_command(program: "Program", output: int) -> Process:
    """Run the command, which begins with an absolute path. Call it on the main thread (see `parent_death`)."""
    return await asyncio.create_subprocess_exec(
        *parent_death.command_prefix(),
        *program.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        env=program.environment,
        start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops in order
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A supervised program.

    `launch` starts its command with the output going to a file descriptor, in a session of its own, and so that it dies
    with this process. `answers` checks whether the program is ready; it never raises and returns within about a second.
    `before_start` runs before each start, `before_restart` and `after_restart` only around later starts.
    `after_restart` runs once the program answers; a CannotRun that it raises counts as the program's failure. While
    `is_held` is true, the program is not started and its exit does not count as a death.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    answers: Answers
    before_start: Callable[[], None] = lambda: None
    before_restart: Callable[[], Awaitable[None]] = nothing
    after_restart: Callable[[], Awaitable[None]] = nothing
    is_held: Callable[[], bool] = lambda: False
    launch: Callable[["Program", int], Awaitable[Process]] = run_command


class Child:
    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, program: Program, output: int) -> "Child":
        """Call it on the main thread (see `parent_death`). Closes `output`, a file descriptor."""
        program.before_start()
        try:
            return cls(await program.launch(program, output))
        finally:
            os.close(output)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def end(self) -> str:
        """Wait for the process to end, and return how it ended."""
        code = await self._process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def stop(self, deadline_seconds: float) -> bool:
        """Send SIGTERM, then SIGKILL to it and its process group. Return False if it had to be killed."""
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
    while not await answers():  # noqa: ASYNC110 - the other process cannot set an event here
        await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def before_any_ends(tasks: list[asyncio.Task[None]], work: Awaitable[Any]) -> None:
    """Await `work`, unless one of `tasks` ends first: then raise its exception."""
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
