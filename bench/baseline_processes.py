"""The processes of the baselines: `python -m bench.MODULE ARGUMENTS`, with the settings of the stack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from comparison.child_processes import ChildProcess
from runtime.settings import Settings

STOP_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class BaselineProgram:
    """A module of this package. `piped`: it answers requests, see ChildProcess.request."""

    module: str
    arguments: tuple[str, ...] = ()
    piped: bool = False

    @property
    def name(self) -> str:
        return "-".join((self.module, *self.arguments))


@asynccontextmanager
async def running(settings: Settings, folder: Path, *programs: BaselineProgram) -> AsyncIterator[list[ChildProcess]]:
    """Run the programs for the length of the block, which begins when all are ready. Call it on the main thread.

    Raises:
        CannotRun: one of them ended, or was not ready in time. The message has the last lines of its log.
    """
    started: list[ChildProcess] = []
    try:
        for program in programs:
            ready_file = folder / f"{program.name}.ready"
            started.append(
                ChildProcess.start(
                    program.name,
                    ["-m", f"bench.{program.module}", *program.arguments],
                    settings.with_changes(serve_ready_file=ready_file),
                    ready_file,
                    piped=program.piped,
                )
            )
        for child in started:
            await asyncio.to_thread(child.wait_until_ready, settings.start_deadline_seconds)
        yield started
        for child in started:
            child.check()
    finally:
        # All are asked to stop before the first is waited for, so that they end at the same time.
        for child in started:
            child.process.terminate()
        for child in started:
            child.stop(STOP_DEADLINE_S)
