"""The child processes of `twinsaga compare` and `twinsaga bench`."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comparison.child_processes import ChildProcess
from runtime.errors import CannotRun
from runtime.settings import Settings

DEADLINE_S = 20.0
READY = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).touch(); "
ECHO = READY + "[print(line.strip().upper(), flush=True) for line in sys.stdin]"
NO_ANSWER = READY + "[None for line in sys.stdin]"
FAILS = "raise SystemExit('no such broker')"

Start = Callable[..., ChildProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[ChildProcess] = []

    def start(code: str, *, piped: bool = False) -> ChildProcess:
        ready_file = tmp_path / "child.ready"
        child = ChildProcess.start("a child", ["-c", code, str(ready_file)], Settings(), ready_file, piped=piped)
        started.append(child)
        return child

    yield start
    for child in started:
        child.stop(DEADLINE_S)
        assert not Path(f"/proc/{child.process.pid}").exists()


def test_a_child_that_fails_is_reported_with_its_last_lines(start: Start) -> None:
    with pytest.raises(CannotRun, match=r"a child did not come up(?s:.*)no such broker"):
        start(FAILS).wait_until_ready(DEADLINE_S)


async def test_a_piped_child_answers_each_request(start: Start) -> None:
    child = start(ECHO, piped=True)
    child.wait_until_ready(DEADLINE_S)

    assert [await child.request(line, deadline_s=DEADLINE_S) for line in ("one", "two")] == ["ONE", "TWO"]


async def test_a_request_to_a_child_that_has_ended_fails(start: Start) -> None:
    child = start(ECHO, piped=True)
    child.wait_until_ready(DEADLINE_S)
    os.kill(child.process.pid, 9)
    child.process.wait(DEADLINE_S)

    with pytest.raises(CannotRun, match="a child ended during the run"):
        await child.request("one", deadline_s=DEADLINE_S)
    with pytest.raises(CannotRun, match="a child ended during the run"):
        child.check()


async def test_a_request_without_an_answer_in_time_fails(start: Start) -> None:
    child = start(NO_ANSWER, piped=True)
    child.wait_until_ready(DEADLINE_S)

    with pytest.raises(CannotRun, match="did not answer within 1 s"):
        await child.request("one", deadline_s=1.0)
    child.stop(DEADLINE_S)  # so that the thread that reads the answer ends
