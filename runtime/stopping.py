"""One way to be asked to stop, shared by all processes."""

import signal
import threading
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
