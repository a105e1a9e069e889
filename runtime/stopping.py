"""One way to be asked to stop, shared by all processes."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def stop_event() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set. Call it once, on the main thread, before the work begins.

    An asyncio program awaits it with `asyncio.to_thread(event.wait)`.
    """
    event = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        event.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return event


def leave_anyway(after_seconds: float) -> None:
    """For a process whose engine may hold it: end it with 0 when it has not ended by itself. It has no work in hand."""
    timer = threading.Timer(after_seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()


def leave_at_once() -> None:
    """End a short process with 0, without the interpreter's last rites.

    A thread of Temporal's client may still be on its way out of the last call, and the two together end now and then in
    a segmentation fault (temporalio/sdk-python#300), which whoever waits for the process takes for a failure.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def leave_in_time(stop: threading.Event, after_seconds: float) -> None:
    """Have the process `leave_anyway` so long after it was asked to stop: what it cuts off is repeated without harm."""

    def wait() -> None:
        stop.wait()
        leave_anyway(after_seconds)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, so that it takes down what it has started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
