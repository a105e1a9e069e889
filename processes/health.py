"""Health check of one process, for its container. Each request has a deadline of a few seconds."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from urllib.parse import urlsplit

from runtime.readiness import http_answers, runs
from runtime.settings import Settings


async def _api(settings: Settings) -> bool:
    # Not /readyz: a restart of the container would not bring back another system that is down.
    return await http_answers("127.0.0.1", settings.api_port, "/healthz")


async def _flower(settings: Settings) -> bool:
    return await http_answers("127.0.0.1", urlsplit(settings.flower_url).port or 80, "/healthcheck")


_HTTP_CHECKS: Mapping[str, Callable[[Settings], Coroutine[None, None, bool]]] = {"api": _api, "flower": _flower}


def healthy(name: str | None, settings: Settings) -> bool:
    """Whether the process in the ready file runs and, for a `name` with an HTTP server, answers.

    False without a ready file, because then nothing is known about the process.
    """
    ready = settings.serve_ready_file
    if ready is None or not runs(ready):
        return False
    check = _HTTP_CHECKS.get(name) if name is not None else None
    return check is None or asyncio.run(check(settings))
