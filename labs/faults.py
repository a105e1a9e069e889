"""Faults that happen once to the processes of a private copy, at the place that a lab's `fault.patch` names.

Files in the data folder of the stack tell the processes and the lab what happened. Standard library only: patched code
imports it anywhere.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

HELD = "lab.held"
GO_ON = "lab.go-on"
_DIED = "lab.died"
_MET = "lab.met"
_POLL_S = 0.02


def die_once() -> None:
    """Kill this process, unless the fault has happened already."""
    if _first(_DIED):
        os.kill(os.getpid(), signal.SIGKILL)


def hold(within_s: float) -> None:
    """Wait until the lab says to go on, at most this long."""
    _file(HELD).touch()
    _wait_for(may_go_on, within_s)


def may_go_on() -> bool:
    return _file(GO_ON).exists()


def meet(parties: int, within_s: float) -> None:
    """Wait until `parties` threads or processes have come here, at most `within_s` seconds."""
    with _file(_MET).open("a") as met:
        met.write(".")
    _wait_for(lambda: _file(_MET).stat().st_size >= parties, within_s)


def _first(name: str) -> bool:
    try:
        _file(name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _wait_for(happened: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not happened() and time.monotonic() < end:
        time.sleep(_POLL_S)


def _file(name: str) -> Path:
    return Path(os.environ["TWINSAGA_DATA_DIR"], name)
