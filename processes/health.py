"""Health check of one process, for its container. Each request has a deadline of a few seconds."""

import asyncio
from urllib.parse import urlsplit

from processes.registry import CODEC_SERVER
from runtime.readiness import http_answers, runs
from runtime.settings import Settings


def healthy(name: str | None, settings: Settings) -> bool:
    """Whether the process in the ready file runs and, for a `name` with an HTTP server, answers.

    False without a ready file, because then nothing is known about the process.
    """
    ready = settings.serve_ready_file
    if ready is None or not runs(ready):
        return False
    if name == "api":
        # Not /readyz: a restart of the container would not bring back another system that is down.
        return asyncio.run(http_answers("127.0.0.1", settings.api_port, "/healthz"))
    if name == CODEC_SERVER:
        return asyncio.run(http_answers("127.0.0.1", urlsplit(settings.codec_server_url).port or 80, "/healthz"))
    if name == "flower":
        return asyncio.run(http_answers("127.0.0.1", urlsplit(settings.flower_url).port or 80, "/healthcheck"))
    return True
