"""Finds out who sends a request: the API key in `Authorization`, or the cookie of our own page."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.hosts import is_from_this_machine
from api.problems import Forbidden, TooManyRequests, Unauthorized
from api.rate_limit import RateLimit
from domain.ids import CustomerId
from messaging.errors import Fault
from services.access.keys import ApiKey, ApiKeys, Role, key_id_of

FRESH_S: Final = 0.5
"""How long a key that was read counts as valid, so that a revoked one stops working within a second everywhere."""
KEPT: Final = 1_000
_SCHEME: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    key: ApiKey

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
        limit: RateLimit,
        *,
        page_key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._limit = limit
        self._page_key = page_key
        self._session = _PageSession.of(page_key) if page_key else None
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()

    async def admit(self, request: Request, roles: frozenset[Role]) -> Caller:
        """Raises Unauthorized, Forbidden or TooManyRequests; or a Fault: the keys cannot be read."""
        key = await self._key_of(request)
        if wait_s := self._limit.take(key.key_id, key.requests_per_minute):
            raise TooManyRequests("this key has sent too many requests", headers={"Retry-After": str(int(wait_s) + 1)})
        if not key.roles & roles:
            needed = " or ".join(sorted(roles))
            raise Forbidden(f"this needs a key with the role {needed}; this key has: {', '.join(sorted(key.roles))}")
        return Caller(key)

    async def is_still_admitted(self, caller: Caller) -> bool:
        """For answers that take long: whether the key is still valid, as far as that can be read."""
        try:
            found = await self._find(caller.key.key_id)
        except Fault:
            return True  # while the database is away there is nothing new to send either
        return found is not None and found.revoked_at is None

    async def open_page_session(self, request: Request, response: Response) -> None:
        """Let the page work without asking for a key, on the machine of the server only."""
        if self._session is not None and await is_from_this_machine(request.scope):
            response.set_cookie(self._session.cookie, self._session.token, httponly=True, samesite="strict")

    async def _key_of(self, request: Request) -> ApiKey:
        text = await self._text_of(request)
        key_id = key_id_of(text)
        found = await self._find(key_id) if key_id else None
        if found is None or not found.accepts(text):
            raise Unauthorized("this API key is not valid")
        return found

    async def _text_of(self, request: Request) -> str:
        header = request.headers.get("authorization")
        if header is not None:
            if not header.lower().startswith(_SCHEME):
                raise Unauthorized("send the API key as `Authorization: Bearer KEY`")
            return header[len(_SCHEME) :].strip()
        session = self._session
        if session is None or not session.is_in(request) or not await is_from_this_machine(request.scope):
            raise Unauthorized("an API key is needed: send it as `Authorization: Bearer KEY`")
        return self._page_key or ""

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
class _PageSession:
    """The cookie of the page. It is derived from the key, which stays here: a cookie goes to every port of a host.

    The name differs between stacks, because two on one machine share the cookies of its name.
    """

    cookie: str
    token: str

    @classmethod
    def of(cls, key: str) -> "_PageSession":
        token = hmac.new(key.encode(), b"page session", sha256).hexdigest()
        return cls(f"twinsaga_{sha256(token.encode()).hexdigest()[:8]}", token)

    def is_in(self, request: Request) -> bool:
        return hmac.compare_digest(request.cookies.get(self.cookie, "").encode(), self.token.encode())
