"""`twinsaga bootstrap`: creates what our processes need on the servers. Repeatable."""

import time
from collections.abc import Callable

from runtime.errors import CannotRun, WrongVersion
from runtime.settings import Settings

RETRY_EVERY_S = 0.5
NAMESPACE_AT_LEAST_S = 1.0


def bootstrap(settings: Settings, deadline_s: float, done: Callable[[str], None]) -> None:
    """Create topics, namespace and search attributes; call `done` with each part. Raises CannotRun: no answer."""
    # The clients of Kafka and Temporal are slow to import, and `twinsaga migrate` uses this module without them.
    from runtime.kafka import create_topics  # noqa: PLC0415
    from runtime.temporal_namespace import prepare_namespace  # noqa: PLC0415

    end = time.monotonic() + deadline_s
    retry_until(lambda: create_topics(settings), end)
    done("topics")
    prepare_namespace(settings, max(end - time.monotonic(), NAMESPACE_AT_LEAST_S))
    done("temporal")


def retry_until(act: Callable[[], None], end: float) -> None:
    """Call `act` until it succeeds. Raise its WrongVersion, or after `end` (monotonic clock) its CannotRun."""
    while True:
        try:
            act()
        except CannotRun as why:
            if isinstance(why, WrongVersion) or time.monotonic() > end:
                raise
            time.sleep(RETRY_EVERY_S)
        else:
            return
