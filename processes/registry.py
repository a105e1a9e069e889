"""The processes of `twinsaga serve`: each name with its module, which is imported in that process only."""

import gc
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from runtime.errors import CannotRun
from services.names import SERVICES

if TYPE_CHECKING:  # the command line reads the names below without the time that an import of pydantic takes
    from runtime.settings import Settings

_GC_THRESHOLDS = 10_000, 5, 2
"""Python's defaults are 700, 10, 10. Collections after every 700 new objects took a sixth of the processor time."""


CODEC_SERVER = "codec-server"
"""Runs only where payloads are encrypted."""

PROCESSES = {
    "api": "processes.api.serve",
    "saga-worker": "processes.saga_worker.serve",
    **dict.fromkeys(SERVICES, "processes.choreography.serve"),
    "celery-worker": "processes.celery_worker",
    "video-worker": "processes.video_worker",
    "celery-beat": "processes.celery_beat",
    "flower": "processes.flower",
    "mail": "processes.mail_sink",
    "order-mails": "processes.order_mails",
    "kafka-bridge": "processes.kafka_bridge.serve",
    CODEC_SERVER: "processes.codec_server",
}


def run_process(name: str, settings: "Settings") -> None:
    """Run the process until SIGTERM or SIGINT. Raises CannotRun for a name that is not in PROCESSES."""
    if name not in PROCESSES:
        raise CannotRun(f"unknown process '{name}'; choose from: {', '.join(PROCESSES)}")
    main: Callable[..., None] = import_module(PROCESSES[name]).main
    # Collect less often, and never look at the imported modules again: they stay until the process ends.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    main(settings, *([name] if name in SERVICES else []))
