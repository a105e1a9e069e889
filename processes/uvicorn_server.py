"""uvicorn in a process that is asked to stop the way all of ours are."""

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
        # uvicorn has the signals by now; one that came before it had them is known here
        self.should_exit = self.should_exit or self._stop.is_set()
