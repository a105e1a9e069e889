"""No page of another site has its visitor's browser write here.

A browser says from where a request comes, and no script can make it say otherwise; other programs do not say it, and
have no visitor whose network they could abuse.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import ApiProblem

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})


class ForeignOrigin(ApiProblem):
    status, name, title = 403, "foreign-origin", "Another site may not do this"


class SameOrigin:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READS and _is_foreign(Headers(scope=scope)):
            await ForeignOrigin("the request comes from a page of another origin").response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    """`Sec-Fetch-Site` where the browser knows it, which is since 2023 everywhere; else `Origin` against `Host`."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OURS
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")
