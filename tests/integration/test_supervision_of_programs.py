"""The supervisor with small test programs, for faults that engines do not show on demand."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from embedded.process_log import ProcessLog
from embedded.program import Program, wait_until
from embedded.supervisor import Limits, ProgramFailed, Supervisor
from runtime.errors import CannotRun
from runtime.readiness import file_exists
from tests.support.stack import runs
from tests.support.waiting import eventually

DEADLINE_S = 30.0
LIMITS = Limits(start_deadline_seconds=10.0, stop_deadline_seconds=10.0, max_log_bytes=10_000)


@dataclass
class Reports:
    """Collects what the supervisor reported, in order."""

    lines: list[str] = field(default_factory=list)
    running: dict[str, int] = field(default_factory=dict)

    def died(self, name: str, how: str, last_lines: list[str], pause_seconds: float) -> None:
        self.lines.append(f"{name} died: {how}, {last_lines}, {pause_seconds:g}")

    def restarted(self, name: str, pid: int) -> None:
        assert pid > 0
        self.lines.append(f"{name} restarted")

    def held(self, name: str) -> None:
        self.lines.append(f"{name} held")

    def had_to_be_killed(self, name: str) -> None:
        self.lines.append(f"{name} killed")

    async def says(self, line: str) -> bool:
        return line in self.lines

    async def runs(self, names: set[str]) -> bool:
        return self.running.keys() == names

    def changed(self, pids: dict[str, int]) -> None:
        self.running = pids


def python(name: str, code: str, ready: Path, answers: Callable[[], Awaitable[bool]] | None = None) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-c", code),
        environment={"READY": str(ready)},
        answers=answers or partial(file_exists, ready),
        before_start=partial(ready.unlink, missing_ok=True),
    )


def supervisor(folder: Path, reports: Reports, limits: Limits = LIMITS) -> Supervisor:
    return Supervisor(folder / "logs", limits, reports, reports.changed)


async def test_a_program_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "ready = pathlib.Path(os.environ['READY']); part = ready.with_suffix('.part');"
        "part.write_text(str(child.pid)); part.rename(ready); child.wait()"
    )
    reports, ready = Reports(), tmp_path / "ready"
    supervised = supervisor(
        tmp_path, reports, Limits(start_deadline_seconds=10, stop_deadline_seconds=0.2, max_log_bytes=10_000)
    )
    await asyncio.wait_for(supervised.start([python("deaf", code, ready)]), DEADLINE_S)

    await asyncio.wait_for(supervised.stop(), DEADLINE_S)

    assert reports.lines == ["deaf killed"]
    assert not runs(reports.running["deaf"])
    child = int(ready.read_text())
    eventually(lambda: not runs(child), "the killed child has ended")


async def test_groups_stop_in_reverse_order(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    code = (
        "import os, pathlib, signal, sys;"
        f"signal.signal(signal.SIGTERM, lambda *_: (print('{{0}}', file=open({str(stopped)!r}, 'a')), sys.exit(0)));"
        "pathlib.Path(os.environ['READY']).touch(); signal.pause()"
    )
    supervised = supervisor(tmp_path, Reports())
    for name in ("engine", "service"):
        await asyncio.wait_for(supervised.start([python(name, code.format(name), tmp_path / name)]), DEADLINE_S)

    await asyncio.wait_for(supervised.stop(), DEADLINE_S)

    assert stopped.read_text().split() == ["service", "engine"]


async def test_a_program_that_never_answers_fails_with_its_last_lines(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    reports = Reports()
    silent = python("silent", "print('waiting', flush=True); import time; time.sleep(600)", tmp_path / "x", never)
    limits = Limits(start_deadline_seconds=1.0, stop_deadline_seconds=10, max_log_bytes=10_000)
    supervised = supervisor(tmp_path, reports, limits)

    with pytest.raises(ProgramFailed, match=r"silent gave no answer within 1 s(?s:.*)waiting"):
        await asyncio.wait_for(supervised.start([silent]), DEADLINE_S)
    await supervised.stop()


async def test_even_a_clean_exit_is_a_death_and_pauses_grow(tmp_path: Path) -> None:
    reports = Reports()
    supervised = supervisor(tmp_path, reports)

    with pytest.raises(ProgramFailed, match="brief died 5 times in a minute"):
        await asyncio.wait_for(supervised.start([python("brief", "print('bye')", tmp_path / "ready")]), DEADLINE_S)
    await supervised.stop()

    assert [line.rpartition(" ")[2] for line in reports.lines] == ["0.2", "0.4", "0.8", "1.6"]
    assert all("brief died: exit code 0, ['bye'" in line for line in reports.lines)


async def test_a_program_whose_restart_hook_fails_is_restarted(tmp_path: Path) -> None:
    steps: list[str] = []

    async def prepare() -> None:
        steps.append("runs" if runs(reports.running["broker"]) else "prepared")

    async def repair() -> None:
        steps.append("repaired")
        if len(steps) == 2:
            raise CannotRun("the topics could not be made")

    reports, ready = Reports(), tmp_path / "ready"
    code = "import os, pathlib, signal; pathlib.Path(os.environ['READY']).touch(); signal.pause()"
    supervised = supervisor(tmp_path, reports)
    broker = replace(python("broker", code, ready), before_restart=prepare, after_restart=repair)
    await asyncio.wait_for(supervised.start([broker]), DEADLINE_S)
    assert steps == []

    os.kill(reports.running["broker"], signal.SIGKILL)
    await asyncio.wait_for(wait_until(lambda: reports.says("broker restarted")), DEADLINE_S)
    await supervised.stop()

    assert steps == ["prepared", "repaired"] * 2
    assert reports.lines == [
        "broker died: killed by SIGKILL, [], 0.2",
        "broker died: the topics could not be made, [], 0.4",
        "broker restarted",
    ]


async def test_a_held_program_stays_stopped_until_released_and_has_not_died(tmp_path: Path) -> None:
    reports, hold = Reports(), tmp_path / "hold"
    code = "import os, pathlib, signal; pathlib.Path(os.environ['READY']).touch(); signal.pause()"
    program = replace(python("service", code, tmp_path / "ready"), is_held=hold.exists)
    supervised = supervisor(tmp_path, reports)
    await asyncio.wait_for(supervised.start([program]), DEADLINE_S)
    first = reports.running["service"]

    hold.touch()
    os.kill(first, signal.SIGTERM)
    await asyncio.wait_for(wait_until(lambda: reports.says("service held")), DEADLINE_S)
    assert reports.running == {}
    hold.unlink()
    await asyncio.wait_for(wait_until(lambda: reports.says("service restarted")), DEADLINE_S)
    second = reports.running["service"]
    await supervised.stop()

    assert second != first
    assert reports.lines == ["service held", "service restarted"]


async def test_a_program_that_was_kept_away_is_restarted_and_has_not_died(tmp_path: Path) -> None:
    reports = Reports()
    code = "import os, pathlib, signal; pathlib.Path(os.environ['READY']).touch(); signal.pause()"
    supervised = supervisor(tmp_path, reports)
    programs = [python(name, code, tmp_path / name) for name in ("service", "api")]
    await asyncio.wait_for(supervised.start(programs), DEADLINE_S)
    before = reports.running

    await asyncio.wait_for(supervised.keep_away({"service", "unknown"}), DEADLINE_S)
    assert not runs(before["service"])
    await asyncio.wait_for(wait_until(lambda: reports.runs({"api"})), DEADLINE_S)
    assert reports.lines == []
    supervised.let_back({"service", "unknown"})
    await asyncio.wait_for(wait_until(lambda: reports.says("service restarted")), DEADLINE_S)
    after = reports.running
    await supervised.stop()

    assert after["service"] != before["service"]
    assert after["api"] == before["api"]
    assert reports.lines == ["service restarted"]


async def test_a_starting_program_is_kept_away_too(tmp_path: Path) -> None:
    reports, may_start = Reports(), tmp_path / "may start"
    code = (
        f"import os, pathlib, signal, time; gate = pathlib.Path({str(may_start)!r});"
        "[time.sleep(0.01) for _ in range(2000) if not gate.exists()];"
        "pathlib.Path(os.environ['READY']).touch(); signal.pause()"
    )
    supervised = supervisor(tmp_path, reports)
    starting = asyncio.create_task(supervised.start([python("service", code, tmp_path / "ready")]))
    await asyncio.sleep(0)

    await asyncio.wait_for(supervised.keep_away({"service"}), DEADLINE_S)
    may_start.touch()
    assert reports.running == {}
    assert not starting.done()
    supervised.let_back({"service"})
    await asyncio.wait_for(starting, DEADLINE_S)
    await supervised.stop()

    assert reports.lines == []


async def test_a_second_stop_does_not_wait(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    code = (
        f"import os, pathlib, signal; signal.signal(signal.SIGTERM, lambda *_: pathlib.Path({str(asked)!r}).touch());"
        "pathlib.Path(os.environ['READY']).touch(); [signal.pause() for _ in range(99)]"
    )
    reports = Reports()
    limits = Limits(start_deadline_seconds=10, stop_deadline_seconds=3600, max_log_bytes=10_000)
    supervised = supervisor(tmp_path, reports, limits)
    await asyncio.wait_for(supervised.start([python("deaf", code, tmp_path / "ready")]), DEADLINE_S)
    patient = asyncio.create_task(supervised.stop())
    await asyncio.wait_for(wait_until(partial(file_exists, asked)), DEADLINE_S)

    await asyncio.wait_for(supervised.stop(), DEADLINE_S)

    await asyncio.wait_for(patient, DEADLINE_S)
    assert not runs(reports.running["deaf"])


def test_a_log_stays_below_twice_its_limit(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "logs" / "chatty.log", max_bytes=1_000)
    log.begin()
    with open(log.open_for_append(), "wb") as chatty:  # noqa: PTH123 - a descriptor, not a path
        for number in range(100):
            chatty.write(b"x" * 99 + b"\n")
            chatty.flush()
            if number % 10 == 9:
                log.keep_bounded()
        chatty.write(b"the last one\n")

    assert sum(file.stat().st_size for file in log.path.parent.iterdir()) < 4_000
    assert log.last_lines(1) == ["the last one"]


def test_the_log_of_the_previous_run_is_kept(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "kept.log", max_bytes=1_000)
    log.path.write_text("before\n")

    log.begin()

    assert log.last_lines(5) == []
    assert (tmp_path / "kept.log.1").read_text() == "before\n"
