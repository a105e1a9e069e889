"""Limits on request bodies: their size and the time in which they must arrive.

FastAPI's `max_body_size` counts the bytes as a route reads them. Two things it does not do, so `BodyGuard` does them:

- It answers a Content-Length over the limit in plain text, not as problem details, and only when the route answers:
  `POST /orders/{id}/cancel` reads no body, so it would cancel the order first. The guard refuses before the route runs.
- It sets no deadline, and neither does uvicorn: a client that sends one byte a minute would keep a connection for ever.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import BodyTooLarge

BODY_LIMIT = 64 * 1024
"""Bytes."""
BODY_DEADLINE_S = 20.0
_DIGITS = 18  # enough for any length; a longer number is over the limit by its first digits


class BodyGuard:
    """`uploads`: POST paths with a limit of their own, in bytes. There the deadline is for each chunk."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int = BODY_LIMIT,
        deadline_s: float = BODY_DEADLINE_S,
        uploads: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._limit = limit
        self._deadline_s = deadline_s
        self._uploads = uploads or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload_limit = self._uploads.get(scope["path"]) if scope["method"] == "POST" else None
        limit = self._limit if upload_limit is None else upload_limit
        if _content_length(scope) > limit:
            too_large = BodyTooLarge(f"the body may have {limit} bytes at most", headers={"Connection": "close"})
            await too_large.response()(scope, receive, send)
            return
        await self._app(scope, self._timed(receive, each_chunk=upload_limit is not None), send)

    def _timed(self, receive: Receive, *, each_chunk: bool) -> Receive:
        clock = asyncio.get_running_loop().time
        deadline: float | None = None
        complete = False

        async def timed() -> Message:
            nonlocal deadline, complete
            if complete:  # what comes now is the end of the connection, which a response may await for minutes
                return await receive()
            if deadline is None or each_chunk:
                deadline = clock() + self._deadline_s
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                # An HTTPException: FastAPI turns any other exception from reading a body into a 400.
                detail = f"the body did not arrive within {self._deadline_s:g} s"
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail) from None
            complete = not message.get("more_body", False)
            return message

        return timed


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:_DIGITS])
    return 0
