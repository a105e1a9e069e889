"""Stops a program on SIGTERM and SIGINT."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Yield an event that the first signal sets; the second one then has its usual effect.

    Outside of the main thread, where Python delivers no signals, the event stays unset.
    """
    stop, loop = threading.Event(), asyncio.get_running_loop()
    previous: dict[signal.Signals, object] = {}

    def restore() -> None:
        while previous:
            number, handler = previous.popitem()
            loop.remove_signal_handler(number)
            signal.signal(number, handler)  # type: ignore[arg-type]  # what getsignal returned

    def stop_now() -> None:
        stop.set()
        restore()

    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            loop.add_signal_handler(number, stop_now)
            previous[number] = handler
    try:
        yield stop
    finally:
        restore()
