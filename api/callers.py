"""Finds out who sends a request: the API key in `Authorization`, or a cookie of our own page.

The page has two kinds of cookies. Where it has a key of its own, in the embedded stack, the cookie comes with it. Else
a person signs in with a key, and the cookie is the token of a session.
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PageSessions
from api.hosts import is_from_this_machine
from api.problems import Forbidden, TooManyRequests, Unauthorized
from api.rate_limit import RateLimit
from domain.ids import CustomerId
from messaging.errors import Fault
from services.access.keys import ApiKey, ApiKeys, Role, key_id_of

FRESH_S: Final = 0.5
"""How long a key that was read counts as valid, so that a revoked one stops working within a second everywhere."""
KEPT: Final = 1_000
SIGN_INS_PER_MINUTE: Final = 20
"""Attempts from one address. A key cannot be guessed; this bounds the work that guesses make."""
_SCHEME: Final = "bearer "
_SESSION: Final = "twinsaga-session"


@dataclass(frozen=True, slots=True)
class Caller:
    """`session`: the token of the session on the page through which the caller came; None for all others."""

    key: ApiKey
    session: str | None = field(default=None, repr=False)

    @property
    def customer_id(self) -> CustomerId | None:
        """The customer whose orders alone the caller may see and place; None if it may do that for all of them."""
        return self.key.customer_id if self.key.only_own_orders else None

    def scoped(self, scope: str) -> str:
        """A scope for idempotency keys that is the customer's own: no answer depends on another customer's keys."""
        return scope if self.customer_id is None else f"{scope}/{self.customer_id}"


class Callers:
    """`page_key`: the key with which the page works; None if the page has none."""

    def __init__(
        self,
        keys: ApiKeys,
        sessions: PageSessions,
        limit: RateLimit,
        *,
        page_key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._sessions = sessions
        self._limit = limit
        self._sign_ins = RateLimit(SIGN_INS_PER_MINUTE, clock)
        self._page_key = page_key
        self._page_cookie = _PageCookie.of(page_key) if page_key else None
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()

    async def admit(self, request: Request, roles: frozenset[Role]) -> Caller:
        """Raises Unauthorized, Forbidden or TooManyRequests; or a Fault: the keys or the sessions cannot be read."""
        caller = await self._identified(request)
        key = caller.key
        if wait_s := self._limit.take(key.key_id, key.requests_per_minute):
            raise TooManyRequests("this key has sent too many requests", headers={"Retry-After": str(int(wait_s) + 1)})
        if not key.roles & roles:
            needed = " or ".join(sorted(roles))
            raise Forbidden(f"this needs a key with the role {needed}; this key has: {', '.join(sorted(key.roles))}")
        return caller

    async def is_still_admitted(self, caller: Caller) -> bool:
        """For answers that take long: whether key and session are still valid, as far as that can be read."""
        try:
            if caller.session is not None and await self._sessions.key_in(caller.session) is None:
                return False
            found = await self._find(caller.key.key_id)
        except Fault:
            return True  # while the database is away there is nothing new to send either
        return found is not None and found.revoked_at is None

    async def page_works_by_itself(self, request: Request) -> bool:
        """Whether the page has a key for this request: in the embedded stack, on the machine of the server only."""
        return self._page_cookie is not None and await is_from_this_machine(request.scope)

    def set_page_cookie(self, response: Response) -> None:
        """Only for a request for which `page_works_by_itself`."""
        if self._page_cookie is not None:
            response.set_cookie(self._page_cookie.name, self._page_cookie.value, httponly=True, samesite="strict")

    async def signed_in(self, request: Request) -> Caller | None:
        """Return the caller who has signed in on the page, or None. Raises a Fault."""
        try:
            return await self._identified(request)
        except Unauthorized:
            return None

    async def sign_in(self, request: Request, text: str) -> Caller:
        """Begin a session with the key `text`. Raises Unauthorized or TooManyRequests; or a Fault."""
        address = request.client.host if request.client else ""
        if wait_s := self._sign_ins.take(address):
            raise TooManyRequests("too many attempts to sign in", headers={"Retry-After": str(int(wait_s) + 1)})
        key = await self._key_of(text)
        return Caller(key, await self._sessions.begin(text))

    def set_session(self, request: Request, response: Response, caller: Caller) -> None:
        secure = request.url.scheme == "https"
        name, value = _session_cookie(request), caller.session or ""
        response.set_cookie(name, value, httponly=True, samesite="strict", secure=secure)

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session of the browser, if it has one. Raises a Fault: then it goes on."""
        name = _session_cookie(request)
        if token := request.cookies.get(name):
            await self._sessions.end(token)
        response.delete_cookie(name, httponly=True, samesite="strict", secure=request.url.scheme == "https")

    async def _identified(self, request: Request) -> Caller:
        header = request.headers.get("authorization")
        if header is not None:
            if not header.lower().startswith(_SCHEME):
                raise Unauthorized("send the API key as `Authorization: Bearer KEY`")
            return Caller(await self._key_of(header[len(_SCHEME) :].strip()))
        own = self._page_cookie
        if own is not None and own.is_in(request) and await is_from_this_machine(request.scope):
            return Caller(await self._key_of(self._page_key or ""))
        token = request.cookies.get(_session_cookie(request))
        text = await self._sessions.key_in(token) if token else None
        if text is None:
            raise Unauthorized("an API key is needed: send it as `Authorization: Bearer KEY`, or sign in on the page")
        return Caller(await self._key_of(text), token)

    async def _key_of(self, text: str) -> ApiKey:
        key_id = key_id_of(text)
        found = await self._find(key_id) if key_id else None
        if found is None or not found.accepts(text):
            raise Unauthorized("this API key is not valid")
        return found

    async def _find(self, key_id: str) -> ApiKey | None:
        known = self._known.get(key_id)
        if known is not None and self._clock() - known[0] < FRESH_S:
            return known[1]
        began = self._clock()
        found = await run_in_threadpool(self._keys.find, key_id)
        if found is None:
            self._known.pop(key_id, None)
            return None
        self._known[key_id] = (began, found)
        self._known.move_to_end(key_id)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class _PageCookie:
    """The cookie of a page that has a key of its own.

    It is derived from the key, which stays here: a cookie goes to every port of a host.

    The name differs between stacks, because two on one machine share the cookies of its name.
    """

    name: str
    value: str

    @classmethod
    def of(cls, key: str) -> "_PageCookie":
        value = hmac.new(key.encode(), b"page session", sha256).hexdigest()
        return cls(f"twinsaga_{sha256(value.encode()).hexdigest()[:8]}", value)

    def is_in(self, request: Request) -> bool:
        return hmac.compare_digest(request.cookies.get(self.name, "").encode(), self.value.encode())


def _session_cookie(request: Request) -> str:
    """The name of the session's cookie. Behind TLS its prefix keeps other names of our domain from setting it."""
    return f"__Host-{_SESSION}" if request.url.scheme == "https" else _SESSION
