"""Bounds how many requests are processed at a time. uvicorn's own limit counts connections too, also idle ones."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import RETRY_AFTER_S, Busy

MAX_REQUESTS = 1_000
_ALWAYS = "/healthz"
"""A restart, which a failed health check leads to, would not make the load smaller."""


class RequestLimit:
    def __init__(self, app: ASGIApp, limit: int = MAX_REQUESTS) -> None:
        self._app = app
        self._free = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == _ALWAYS:
            await self._app(scope, receive, send)
            return
        if not self._free:
            busy = Busy("too many requests at a time", headers={"Retry-After": str(RETRY_AFTER_S)})
            await busy.response()(scope, receive, send)
            return
        self._free -= 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._free += 1
