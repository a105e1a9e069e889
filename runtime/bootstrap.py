"""What the servers need before our processes can work: all of it may be done again at any time."""

import time
from collections.abc import Callable

from runtime.errors import CannotRun, WrongVersion
from runtime.settings import Settings

PARTS = ("topics", "temporal")
AGAIN_AFTER_S = 0.5


def bootstrap(settings: Settings, deadline_s: float, done: Callable[[str], None]) -> None:
    """Make the topics, the namespace and its search attributes; `done` hears of each part.

    Raises:
        CannotRun: a server did not answer within the deadline.
    """
    from runtime.temporal_namespace import prepare_namespace  # noqa: PLC0415 - Temporal's client takes its time
    from runtime.topics import create_topics  # noqa: PLC0415 - so does Kafka's

    end = time.monotonic() + deadline_s
    until_it_answers(lambda: create_topics(settings), end)
    done("topics")
    prepare_namespace(settings, max(end - time.monotonic(), 1.0))
    done("temporal")


def until_it_answers(act: Callable[[], None], end: float) -> None:
    """Do it again until it goes well or `end`, of the monotonic clock, has come; then what went wrong is raised."""
    while True:
        try:
            act()
        except WrongVersion:
            raise
        except CannotRun:
            if time.monotonic() > end:
                raise
            time.sleep(AGAIN_AFTER_S)
        else:
            return
