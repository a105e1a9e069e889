"""The processes of `twinsaga serve`: each name with its module, which is imported in that process only."""

import gc
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from runtime.errors import CannotRun
from services.names import SERVICES

if TYPE_CHECKING:  # the command line reads the names below without the time that an import of pydantic takes
    from runtime.settings import Settings


_GC_THRESHOLDS = 10_000, 5, 2
"""Python's defaults are 700, 10, 10. Collections after every 700 new objects took a sixth of the processor time."""


class Entry(NamedTuple):
    """`function` is called with the settings and `arguments`. It returns after SIGTERM or SIGINT."""

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
        raise CannotRun(f"unknown process '{name}'; choose from: {', '.join(PROCESSES)}")
    entry = PROCESSES[name]
    main: Callable[..., None] = getattr(import_module(entry.module), entry.function)
    _tune_garbage_collector()
    main(settings, *entry.arguments)


def _tune_garbage_collector() -> None:
    """Collect less often, and never look at the imported modules again: they stay until the process ends."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
