"""No body is larger than it may be, or takes for ever to arrive."""

import asyncio
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ApiProblem, BodyTooLarge, BodyTooSlow

BODY_LIMIT = 64 * 1024
BODY_DEADLINE_S = 20.0
_DIGITS = 18  # of a length that is read; a longer one is too large by its beginning


class BodyLimit:
    """Reads the body before the app does: a chunked one says how long it is only by ending."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int = BODY_LIMIT,
        deadline_s: float = BODY_DEADLINE_S,
        uploads: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._uploads = uploads or {}
        self._limit = limit
        self._deadline_s = deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope.get("method") == "POST" and scope.get("path") in self._uploads:
            await self._app(scope, self._measured(receive, self._uploads[scope["path"]]), send)
            return
        try:
            body = await self._read(scope, receive)
        except ApiProblem as problem:
            await problem.response()(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replayed(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return None when the caller left before the end of the body."""
        if _announced(scope) > self._limit:
            raise _too_large(self._limit)
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self._limit:
                        raise _too_large(self._limit)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            raise BodyTooSlow(f"it has {self._deadline_s:.0f} s", headers={"Connection": "close"}) from None

    def _measured(self, receive: Receive, limit: int) -> Receive:
        """An upload goes to the app as it comes; the deadline is for each piece of it."""
        size = 0

        async def measured() -> Message:
            nonlocal size
            try:
                async with asyncio.timeout(self._deadline_s):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow(
                    f"no more came for {self._deadline_s:.0f} s", headers={"Connection": "close"}
                ) from None
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large(limit)
            return message

        return measured


def _too_large(limit: int) -> BodyTooLarge:
    # what is left of the body would be taken for the next request
    return BodyTooLarge(f"a body has at most {limit} bytes", headers={"Connection": "close"})


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:_DIGITS])
    return 0


def _replayed(body: bytes, receive: Receive) -> Receive:
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
