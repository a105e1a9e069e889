"""What a caller of the API sends beside the request: its key, or, as the payment gateway, a signature."""

import time
from collections.abc import Generator

import httpx2 as httpx

from api.webhook_signatures import HEADER, signature_of

WEBHOOK = "/webhooks/payments"


class KnownCaller(httpx.Auth):
    def __init__(self, key: str, webhook_secret: str) -> None:
        self.key = key
        self._webhook_secret = webhook_secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if request.url.path == WEBHOOK:
            request.headers.update(signature_now(request.content, self._webhook_secret))
        else:
            request.headers["Authorization"] = f"Bearer {self.key}"
        yield request


def signature_now(body: bytes, webhook_secret: str) -> dict[str, str]:
    return {HEADER: signature_of(body, webhook_secret, int(time.time()))}
