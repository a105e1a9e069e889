"""`twinsaga serve api`: runs the HTTP API."""

import asyncio
import socket
import threading

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.hosts import LOOPBACK_HOSTS
from processes.api.wiring import real_dependencies
from processes.uvicorn_server import AnnouncedServer
from runtime.api_keys import refuse_to_start_open
from runtime.metrics import metrics_served
from runtime.settings import Settings
from runtime.stopping import stop_event
from runtime.tracing import traces

SHUTDOWN_S = 8
"""Time for requests that are in progress when the stop is requested."""


def main(settings: Settings) -> None:
    # uvicorn raises the signals that it received once more after its shutdown. Without a handler they would then kill
    # this process, with an exit code other than 0.
    refuse_to_start_open(settings)
    stop = stop_event()
    with traces("api"):
        asyncio.run(_serve(settings, stop))


async def _serve(settings: Settings, stop: threading.Event) -> None:
    async with real_dependencies(settings) as dependencies:
        hosts = [*LOOPBACK_HOSTS, settings.api_host, *filter(None, settings.api_hosts.split(","))]
        app = create_app(dependencies, hosts=hosts)
        config = uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        with metrics_served(settings, app.state.metrics.registry):
            await ApiServer(app, config, settings, stop).serve()


class ApiServer(AnnouncedServer):
    def __init__(self, app: FastAPI, config: uvicorn.Config, settings: Settings, stop: threading.Event) -> None:
        super().__init__(config, settings, stop)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the timeline streams first: uvicorn waits for open responses. Their clients reconnect."""
        self._app.state.live_orders.close()
        await super().shutdown(sockets)
