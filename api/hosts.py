"""Which names the API answers to, and which requests come from this machine.

A web page can let its own name point to 127.0.0.1 (DNS rebinding). For the browser its requests then have the page's
own origin, so neither the same-origin policy nor `SameOrigin` stops them. Their Host header still has the page's name.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ForeignHost

LOOPBACK_HOSTS: Final = ("127.0.0.1", "[::1]", "localhost")


class AllowedHosts:
    """The check is Starlette's. The answer is ours: problem details instead of plain text."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = LOOPBACK_HOSTS) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await has_host(scope, self._hosts):
            await self._app(scope, receive, send)
        else:
            await ForeignHost("the server does not answer to this host name").response()(scope, receive, send)


async def has_host(scope: Scope, hosts: Sequence[str]) -> bool:
    allowed = False

    async def allow(_scope: Scope, _receive: Receive, _send: Send) -> None:
        nonlocal allowed
        allowed = True

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def ignore(_refusal: Message) -> None:
        """Starlette's own answer."""

    await TrustedHostMiddleware(allow, hosts, www_redirect=False)(scope, receive, ignore)
    return allowed


async def is_from_this_machine(scope: Scope) -> bool:
    """Whether the client has a loopback address and asks for a loopback name. Behind a proxy: the proxy's client."""
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback and await has_host(scope, LOOPBACK_HOSTS)
    except ValueError:  # a Unix socket, or a name that a proxy sent
        return False
