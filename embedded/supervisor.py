"""Keeps programs running: starts them, waits until they answer, restarts them when they die, stops them."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from embedded.process_log import ProcessLog
from embedded.program import POLL_INTERVAL_SECONDS, Child, Program, before_any_ends, nothing, wait_until
from runtime.errors import CannotRun

DEATHS_ALLOWED = 5
DEATHS_WINDOW_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.2
SHOWN_LINES = 12
LOGS_CHECKED_EVERY_SECONDS = 5.0


class ProgramFailed(CannotRun):
    def __init__(self, name: str, what: str, last_lines: Iterable[str]) -> None:
        shown = "".join(f"\n    {line}" for line in last_lines) or " nothing"
        super().__init__(f"{name} {what}. Its last log lines:{shown}")


class Reporter(Protocol):
    def died(self, name: str, how: str, last_lines: list[str], pause_seconds: float) -> None: ...
    def held(self, name: str) -> None: ...
    def restarted(self, name: str, pid: int) -> None: ...
    def had_to_be_killed(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    start_deadline_seconds: float
    stop_deadline_seconds: float
    max_log_bytes: int


class Supervisor:
    """Starts programs in groups, and restarts those that die after a pause that doubles.

    `changed` is called with the process ids of all running programs whenever a program becomes ready or is held.
    """

    def __init__(
        self, logs: Path, limits: Limits, reporter: Reporter, changed: Callable[[dict[str, int]], None]
    ) -> None:
        self._logs = logs
        self._limits = limits
        self._reporter = reporter
        self._changed = changed
        self._pids: dict[str, int] = {}
        self._children: dict[str, Child | None] = {}
        """The value is None while the program is being started."""
        self._away: set[str] = set()
        self._groups: list[list[asyncio.Task[None]]] = []
        self._log_files: list[ProcessLog] = []

    async def start(self, programs: list[Program]) -> None:
        """Start a group; return once all of them answer. Raises ProgramFailed: one gives no answer, or keeps dying."""
        answering = [asyncio.Event() for _ in programs]
        group = [asyncio.create_task(self._keep(*pair)) for pair in zip(programs, answering, strict=True)]
        self._groups.append(group)
        await before_any_ends(self._tasks, asyncio.gather(*(event.wait() for event in answering)))

    async def watch(self) -> None:
        """Run until a program keeps dying, then raise ProgramFailed."""
        await before_any_ends(self._tasks, self._keep_logs_bounded())

    async def stop(self) -> None:
        """Stop the groups, the last one first. A second call meanwhile kills."""
        for group in reversed(self._groups):
            for task in group:
                task.cancel()
            await asyncio.gather(*group, return_exceptions=True)

    async def keep_away(self, names: Collection[str]) -> None:
        """Stop these programs until `let_back`. Their exit does not count as a death."""
        self._away |= set(names)
        # A program that is being started has no process to stop yet, so repeat until none is left.
        while remaining := self._children.keys() & names:
            await asyncio.gather(*map(self._stop_child, remaining))
            await asyncio.sleep(POLL_INTERVAL_SECONDS)

    def let_back(self, names: Collection[str]) -> None:
        self._away -= set(names)

    async def _stop_child(self, name: str) -> None:
        child = self._children[name]
        if child is not None and not await child.stop(self._limits.stop_deadline_seconds):
            self._reporter.had_to_be_killed(name)

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for group in self._groups for task in group]

    async def _keep(self, program: Program, answering: asyncio.Event) -> None:
        log = ProcessLog(self._logs / f"{program.name}.log", self._limits.max_log_bytes)
        log.begin()
        self._log_files.append(log)
        deaths: deque[float] = deque(maxlen=DEATHS_ALLOWED)
        clock = asyncio.get_running_loop().time
        while True:
            await self._while_away(program)
            await (program.before_restart() if answering.is_set() else nothing())
            how = await self._run_once(program, log, answering)
            if self._is_away(program):
                continue
            deaths.append(clock())
            recent = [at for at in deaths if deaths[-1] - at <= DEATHS_WINDOW_SECONDS]
            lines = log.last_lines(SHOWN_LINES)
            if len(recent) == DEATHS_ALLOWED:
                raise ProgramFailed(program.name, f"died {DEATHS_ALLOWED} times in a minute, lastly by {how}", lines)
            pause = FIRST_PAUSE_SECONDS * 2 ** (len(recent) - 1)
            self._reporter.died(program.name, how, lines, pause)
            await asyncio.sleep(pause)

    def _is_away(self, program: Program) -> bool:
        return program.name in self._away or program.is_held()

    async def _while_away(self, program: Program) -> None:
        if not self._is_away(program):
            return
        self._pids.pop(program.name, None)
        self._changed(dict(self._pids))
        if program.is_held():
            self._reporter.held(program.name)
        while self._is_away(program):  # noqa: ASYNC110 - another process releases it, and cannot set an event here
            await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def _run_once(self, program: Program, log: ProcessLog, answering: asyncio.Event) -> str:
        self._children[program.name] = None
        try:
            child = self._children[program.name] = await Child.start(program, log.open_for_append())
            return await self._supervise(child, program, log, answering)
        finally:
            del self._children[program.name]

    async def _supervise(self, child: Child, program: Program, log: ProcessLog, answering: asyncio.Event) -> str:
        end = asyncio.create_task(child.end())
        try:
            failure = await self._await_answer(end, program, restarted=answering.is_set())
            if failure is None:
                if answering.is_set():
                    self._reporter.restarted(program.name, child.pid)
                self._pids[program.name] = child.pid
                answering.set()
                self._changed(dict(self._pids))
                return await end
            if not answering.is_set() and not end.done():
                raise ProgramFailed(program.name, f"gave {failure}", log.last_lines(SHOWN_LINES))
            return failure
        finally:
            if not await child.stop(self._limits.stop_deadline_seconds):
                self._reporter.had_to_be_killed(program.name)
            end.cancel()

    async def _await_answer(self, end: asyncio.Task[str], program: Program, *, restarted: bool) -> str | None:
        async def answer() -> str | None:
            await wait_until(program.answers)
            try:
                await (program.after_restart() if restarted else nothing())
            except CannotRun as failure:
                return str(failure)
            return None

        deadline = self._limits.start_deadline_seconds
        answers = asyncio.create_task(answer())
        try:
            await asyncio.wait({end, answers}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                return end.result()
            return answers.result() if answers.done() else f"no answer within {deadline:g} s"
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)

    async def _keep_logs_bounded(self) -> None:
        while True:
            await asyncio.sleep(LOGS_CHECKED_EVERY_SECONDS)
            for log in self._log_files:
                log.keep_bounded()
