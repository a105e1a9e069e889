"""How processes and commands stop: on SIGTERM, on Ctrl-C, and when something keeps them from ending."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
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
    """End the process with 0 if it has not ended by then. Only for a process without work in progress."""
    timer = threading.Timer(after_seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()


def leave_in_time(stop: threading.Event, after_seconds: float, on_stop: Callable[[], object] = lambda: None) -> None:
    """Once `stop` is set, call `on_stop`, and end the process with 0 if it has not ended this long afterwards.

    Only where interrupted work is safely repeated.
    """

    def wait() -> None:
        stop.wait()
        leave_anyway(after_seconds)
        on_stop()

    threading.Thread(target=wait, daemon=True).start()


def leave_at_once() -> None:
    """End a short command with 0, without the interpreter's finalization.

    A thread of Temporal's client may still be finishing its last call. Together with the finalization that
    occasionally ends in a segmentation fault (temporalio/sdk-python#300), and the command would seem to have failed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, so that it stops what it has started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell without job control ignores SIGINT for its background jobs. SIGTERM must end them all the same.
        before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
