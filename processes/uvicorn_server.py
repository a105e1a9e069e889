"""A uvicorn server that announces when it is ready, and stops like every other process of ours."""

import socket
import threading

import uvicorn

from runtime.readiness import announce_ready
from runtime.settings import Settings


class AnnouncedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, settings: Settings, stop: threading.Event) -> None:
        super().__init__(config)
        self._settings = settings
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            announce_ready(self._settings)
        # uvicorn handles the signals from here on. One that came earlier has set the event.
        self.should_exit = self.should_exit or self._stop.is_set()
