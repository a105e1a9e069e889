"""HEAD for every GET route: FastAPI, unlike Starlette, answers it with 405."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Answers HEAD with the status and headers of the GET, without its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # Without `Accept` a timeline is not a stream, which would occupy the connection for minutes.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept"]
        as_get = {**scope, "method": "GET", "headers": headers}
        try:
            await self._app(as_get, receive, send_without_body)
        finally:  # the metrics read from the scope which route was found
            scope.update({**as_get, "method": "HEAD", "headers": scope["headers"]})
