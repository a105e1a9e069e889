"""The child processes of `twinsaga compare` and `twinsaga bench`: a stack of their own, and programs beside it.

A child dies with the command that started it, even if SIGKILL ended the command.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from runtime import parent_death
from runtime.errors import CannotRun
from runtime.settings import PREFIX, Settings, load_settings
from services.names import DATABASES

READY_FILE = "up.json"
"""Of a stack, in its folder: its addresses and the ids of its processes."""

POLL_S = 0.05
SHOWN_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildProcess:
    """A Python program of ours, which writes `ready_file` once it is ready, and its output to `log`."""

    name: str
    process: "subprocess.Popen[bytes]"
    ready_file: Path
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        arguments: Sequence[str],
        settings: Settings,
        ready_file: Path,
        *,
        piped: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> Self:
        """Run `python -P ARGUMENTS` with these settings, and its log beside `ready_file`.

        Call it on the main thread: the kernel kills the child when the thread that started it ends.

        Args:
            name: for error messages.
            arguments: behind `python`; they have to make the program write `ready_file`.
            settings: passed on by the environment.
            ready_file: removed first, since an earlier child may have left it.
            piped: the program answers `request` on its standard output; only standard error goes to the log.
            variables: more of its environment, beside the settings.
        """
        log = ready_file.with_suffix(".log")
        ready_file.unlink(missing_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                # -P: the current folder of the user may contain a package named like one of ours.
                [*parent_death.command_prefix(), sys.executable, "-P", *arguments],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                env={**settings.as_environment(), **(variables or {})},
                # Ctrl-C in the terminal reaches only the command, which then stops its children in order.
                start_new_session=True,
            )
        return cls(name=name, process=process, ready_file=ready_file, log=log)

    def wait_until_ready(self, deadline_s: float) -> None:
        """Raises CannotRun if the child ends, or is not ready in time."""
        end = time.monotonic() + deadline_s
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise self.failure("did not come up")
            time.sleep(POLL_S)

    async def request(self, line: str, *, deadline_s: float) -> str:
        """Send a line and return the answer. Raises CannotRun: the child ended or is late, so do not use it again."""
        try:
            async with asyncio.timeout(deadline_s):
                answer = await asyncio.to_thread(self._exchange, line)
        except TimeoutError:
            raise self.failure(f"did not answer within {deadline_s:.0f} s") from None
        if not answer:
            raise self.failure("ended during the run")
        return answer

    def check(self) -> None:
        """Raises CannotRun if the child has ended."""
        if self.process.poll() is not None:
            raise self.failure("ended during the run")

    def stop(self, deadline_s: float) -> None:
        """Send SIGTERM, and SIGKILL after the deadline. Safe to call for a child that has ended."""
        self.process.terminate()
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                # A request that the child did not read is still in the buffer, and close() tries to send it.
                with suppress(BrokenPipeError):
                    pipe.close()

    def failure(self, what: str) -> CannotRun:
        lines = "\n    ".join(self.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
        return CannotRun(f"{self.name} {what}. It printed:\n    {lines}")

    def _exchange(self, line: str) -> str:
        if self.process.stdin is None or self.process.stdout is None:
            raise CannotRun(f"{self.name} was started without pipes")
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        # If the child ends, the read returns an empty line, which also frees this thread.
        return self.process.stdout.readline().decode().strip()


@contextmanager
def child_stack(
    settings: Settings, folder: Path, names: Sequence[str], variables: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Run `twinsaga up` on free ports; yield the content of its ready file. Raises CannotRun, with its last output."""
    ready_file = folder / READY_FILE
    up = ["-m", "cli", "up", "--free-ports", "--data", str(folder), "--ready-file", str(ready_file)]
    command = [*up, "--only", ",".join(names)]
    stack = ChildProcess.start("the stack", command, settings, ready_file, variables=variables)
    try:
        stack.wait_until_ready(settings.start_deadline_seconds)
        yield json.loads(ready_file.read_text())
    finally:
        # The stack stops its own processes one group after the other, each with the deadline of the settings.
        stack.stop(3 * settings.stop_deadline_seconds)


def process_ids(folder: Path) -> dict[str, int]:
    """Return the ids of the stack's processes by name. Read again each time: a restarted process has a new id."""
    processes: dict[str, int] = json.loads((folder / READY_FILE).read_text())["processes"]
    return processes


def settings_in(folder: Path, **changes: object) -> Settings:
    """Return the settings of a stack with its data in `folder`. Raises CannotRun: they name a database elsewhere."""
    # Orders that are only there to be measured must not reach another database.
    # Development, because such a stack makes its own API key.
    settings = load_settings().with_changes(data_dir=folder, environment="development", **changes)
    elsewhere = [name for name in DATABASES if not settings.database_url(name).startswith(f"sqlite:///{folder}")]
    if elsewhere:
        raise CannotRun(f"this command uses databases of its own: unset {PREFIX}{elsewhere[0].upper()}_DATABASE_URL")
    return settings
