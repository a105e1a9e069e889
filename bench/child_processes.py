"""The processes of the references: started with the settings of the stack, and gone at the end whatever happened."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runtime import parent_death
from runtime.errors import CannotRun
from runtime.settings import Settings

LOOK_EVERY_S = 0.05
STOP_DEADLINE_S = 10.0
LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Child:
    """`python -m bench.<module> <arguments>`, which announces itself when it is ready.

    `asked`: it reads lines, and answers each with one; else its output is a log.
    """

    module: str
    arguments: tuple[str, ...] = ()
    asked: bool = False

    @property
    def name(self) -> str:
        return "-".join((self.module, *self.arguments))


@dataclass(frozen=True, slots=True)
class Running:
    child: Child
    process: "subprocess.Popen[bytes]"
    ready: Path
    log: Path

    async def ask(self, line: str, *, deadline_s: float) -> str:
        """Raises CannotRun when it ends, or does not answer in time; then it has to be given up."""
        try:
            async with asyncio.timeout(deadline_s):
                answer = await asyncio.to_thread(self._ask, line)
        except TimeoutError:
            raise CannotRun(_why(self, f"did not answer within {deadline_s:.0f} s")) from None
        if not answer:
            raise CannotRun(_why(self, "ended under the bench"))
        return answer

    def _ask(self, line: str) -> str:
        """It is not heard any more once the process ends, which is how the thread comes free."""
        if self.process.stdin is None or self.process.stdout is None:
            raise CannotRun(f"{self.child.name} takes no questions")
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()


@asynccontextmanager
async def children(settings: Settings, folder: Path, *wanted: Child) -> AsyncIterator[list[Running]]:
    """Run them for the length of the block, which begins when all are ready. Call it on the main thread.

    Raises:
        CannotRun: one of them ended, or was not ready in time; the message has the last lines that it wrote.
    """
    running: list[Running] = []
    try:
        running.extend(_started(child, settings, folder) for child in wanted)
        await _all_ready(running, settings.start_deadline_seconds)
        yield running
        for one in running:
            if one.process.poll() is not None:
                raise CannotRun(_why(one, "ended under the bench"))
    finally:
        _stop(running)


def _started(child: Child, settings: Settings, folder: Path) -> Running:
    ready, log = folder / f"{child.name}.ready", folder / f"{child.name}.log"
    ready.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*parent_death.command_prefix(), sys.executable, "-m", f"bench.{child.module}", *child.arguments],
            stdin=subprocess.PIPE if child.asked else subprocess.DEVNULL,
            stdout=subprocess.PIPE if child.asked else output,
            stderr=output,
            env=settings.with_changes(serve_ready_file=ready).as_environment(),
            start_new_session=True,
        )
    return Running(child, process, ready, log)


async def _all_ready(running: Sequence[Running], deadline_s: float) -> None:
    end = time.monotonic() + deadline_s
    for one in running:
        while not one.ready.exists():
            if one.process.poll() is not None or time.monotonic() > end:
                raise CannotRun(_why(one, "did not come up"))
            await asyncio.sleep(LOOK_EVERY_S)


def _stop(running: Sequence[Running]) -> None:
    for one in running:
        one.process.terminate()
    end = time.monotonic() + STOP_DEADLINE_S
    for one in running:
        try:
            one.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe is not None:
                pipe.close()


def _why(one: Running, what: str) -> str:
    lines = "\n    ".join(one.log.read_text(errors="replace").splitlines()[-LAST_LINES:])
    return f"{one.child.name} {what}. It printed:\n    {lines}"
