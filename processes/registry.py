"""The processes that `twinsaga serve` can be: one name, one module that is imported only in that process."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from runtime.errors import CannotRun
from services.names import SERVICES

if TYPE_CHECKING:  # the command line reads the names below, and need not wait for pydantic
    from runtime.settings import Settings


_LOOKS = 10_000, 5, 2
"""The garbage collector's thresholds. Python's own are 700, 10, 10: often among the young, seldom among the old."""


class Entry(NamedTuple):
    """`function` is called with the settings and `arguments`; it returns when SIGTERM or SIGINT came."""

    module: str
    function: str = "main"
    arguments: tuple[str, ...] = ()


PROCESSES = {
    "api": Entry("processes.api.serve"),
    "saga-worker": Entry("processes.saga_worker.serve"),
    **{name: Entry("processes.choreography.serve", arguments=(name,)) for name in SERVICES},
    "celery-worker": Entry("processes.celery_worker"),
    "celery-beat": Entry("processes.celery_beat"),
    "flower": Entry("processes.flower"),
    "mail": Entry("processes.mail_sink"),
    "order-mails": Entry("processes.order_mails"),
    "kafka-bridge": Entry("processes.kafka_bridge.serve"),
}


def run_process(name: str, settings: "Settings") -> None:
    """Raises CannotRun for a name that is not in PROCESSES."""
    if name not in PROCESSES:
        raise CannotRun(f"no process is called '{name}'; choose from: {', '.join(PROCESSES)}")
    entry = PROCESSES[name]
    main: Callable[..., None] = getattr(import_module(entry.module), entry.function)
    _collect_garbage_seldom()
    main(settings, *entry.arguments)


@contextmanager
def rich_left_out() -> Iterator[None]:
    """Let what is imported here do without rich, as structlog does, for which it is only there to print in colours.

    It takes 4 MiB in each process. Whoever imports it later gets it.
    """
    if "rich" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # so that an import of it fails
    try:
        yield
    finally:
        del sys.modules["rich"]


def _collect_garbage_seldom() -> None:
    """Looking for garbage after every 700 objects took a sixth of the processor.

    What is imported by now stays for ever, so nobody looks through it again, and a look at all the rest costs little.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_LOOKS)
