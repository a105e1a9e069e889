"""Whether one process does its work, for a container's health check. Each question takes at most a few seconds."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from urllib.parse import urlsplit

from runtime.readiness import http_answers, runs
from runtime.settings import Settings


async def _api(settings: Settings) -> bool:
    # Not /readyz: a container must not be restarted because a server that it uses is away.
    return await http_answers("127.0.0.1", settings.api_port, "/healthz")


async def _flower(settings: Settings) -> bool:
    return await http_answers("127.0.0.1", urlsplit(settings.flower_url).port or 80, "/healthcheck")


_ASKED: Mapping[str, Callable[[Settings], Coroutine[None, None, bool]]] = {"api": _api, "flower": _flower}


def healthy(name: str | None, settings: Settings) -> bool:
    """The process that has announced itself has to run, and one that answers questions has to answer.

    Without a name it is not asked; without a ready file nothing is known.
    """
    ready = settings.serve_ready_file
    if ready is None or not runs(ready):
        return False
    ask = _ASKED.get(name) if name is not None else None
    return ask is None or asyncio.run(ask(settings))
