"""`twinsaga serve api`: the HTTP API in a process of its own."""

import asyncio
import socket
import threading

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from processes.api.wiring import real_dependencies
from processes.uvicorn_server import AnnouncedServer
from runtime.settings import Settings
from runtime.stopping import stop_event

IN_HAND_S = 8
"""So long may answers take that were begun before the stop."""
CALLS_AT_ONCE = 1_000


def main(settings: Settings) -> None:
    # uvicorn raises the signals that it took again when it has stopped: without these handlers they would kill us then
    stop = stop_event()
    asyncio.run(_serve(settings, stop))


async def _serve(settings: Settings, stop: threading.Event) -> None:
    async with real_dependencies(settings) as dependencies:
        app = create_app(dependencies)
        config = uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=CALLS_AT_ONCE,
            timeout_graceful_shutdown=IN_HAND_S,
        )
        await ApiServer(app, config, settings, stop).serve()


class ApiServer(AnnouncedServer):
    def __init__(self, app: FastAPI, config: uvicorn.Config, settings: Settings, stop: threading.Event) -> None:
        super().__init__(config, settings, stop)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the timelines that are watched, which would otherwise be waited for; their readers come back."""
        self._app.state.live_orders.close()
        await super().shutdown(sockets)
