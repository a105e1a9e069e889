"""Logs as JSON lines (or text) on standard error. No line contains a secret."""

import logging
from functools import lru_cache

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from messaging import tracing
from runtime.settings import Settings

SECRET_WORDS = ("authorization", "cookie", "password", "secret", "token", "api_key", "database_url", "redis_url")
WORKFLOWS_OF_ORDERS = ("order-saga", "choreography-witness")
"""The first part of their ids; the second one is the order's id."""
NOISY = {
    "kafka": logging.ERROR,
    "httpx2": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "celery.beat": logging.WARNING,
    "celery.app.trace": logging.WARNING,  # it logs the arguments and results of tasks
    "celery.pool": logging.INFO,  # below, it logs the arguments of tasks
    "celery.worker.strategy": logging.WARNING,
    "flower.inspector": logging.ERROR,
    "mail.log": logging.WARNING,
    "temporalio.activity": logging.INFO,  # below, it logs the start of each activity, before that has a span
    "temporalio.worker": logging.INFO,  # below, it logs the arguments and results of activities
    "tornado.access": logging.WARNING,
}


def configure_logs(settings: Settings, process: str) -> None:
    """`process` is added to every line, so that the logs of all processes can be merged."""

    def add_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, "process": process}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_process,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        add_order_and_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(settings)],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    for name, level in NOISY.items():
        logging.getLogger(name).setLevel(level)


def add_order_and_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The SDK of Temporal names a workflow on its lines, ours are named after their order."""
    if (trace_id := tracing.trace_id()) is not None:
        event.setdefault("trace_id", trace_id)
    about = event.get("temporal_workflow") or event.get("temporal_activity")
    if about:
        kind, _, order_id = str(about.get("workflow_id")).partition("/")
        if kind in WORKFLOWS_OF_ORDERS:
            event.setdefault("order_id", order_id)
    return event


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key in event:
        if _is_secret(key):
            event[key] = "***"
    return event


@lru_cache(maxsize=1_000)
def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRET_WORDS)


def _renderers(settings: Settings) -> list[Processor]:
    if settings.log_format == "text":
        # structlog's default, where rich is installed, prints local variables, which contain tokens and addresses.
        return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _json(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=repr).decode()
