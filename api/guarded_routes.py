"""Routes that say who may call them. What the OpenAPI document says is what is enforced: both read one declaration.

A route without a declaration is an error when its module is imported, so none can be forgotten.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from api.callers import Caller, Callers
from api.problems import Unauthorized, documented
from api.webhook_signatures import HEADER, NotSigned, check_signature
from services.access.keys import Role

_API_KEY: Final = "API key"
_SIGNATURE: Final = "gateway signature"

SCHEMES: Final = {
    _API_KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "A key made by `twinsaga keys make`. The names beside it are roles, of which one is needed.",
    },
    _SIGNATURE: {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": "`t=SECONDS,v1=SIGNATURE`: an HMAC-SHA256 over the time, a dot and the body, in hexadecimal.",
    },
}


def only(*roles: Role) -> dict[str, Any]:
    """Declare that a caller needs one of the roles: the `openapi_extra` of a route."""
    return {"security": [{_API_KEY: [role.value]} for role in roles]}


SIGNED: Final[dict[str, Any]] = {"security": [{_SIGNATURE: []}]}
"""Only calls that the payment gateway has signed."""

PUBLIC: Final[dict[str, Any]] = {"security": []}
"""Open to every caller who reaches the port."""


class GuardedRoute(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(path, endpoint, **options)
        if "security" not in (self.openapi_extra or {}):
            raise TypeError(f"{path}: declare who may call it, by openapi_extra=only(...), SIGNED or PUBLIC")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check the caller before FastAPI reads the body: a stranger learns nothing of what a body needs."""
        handle = super().get_route_handler()
        requirements = (self.openapi_extra or {}).get("security", [])
        if not requirements:
            return handle
        if _SIGNATURE in requirements[0]:
            return _signed(handle)
        roles = frozenset(Role(role) for requirement in requirements for role in requirement[_API_KEY])
        return _for_roles(handle, roles)


_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def _for_roles(handle: _Handler, roles: frozenset[Role]) -> _Handler:
    async def admit(request: Request) -> Response:
        callers: Callers = request.app.state.callers
        request.state.caller = await callers.admit(request, roles)
        return await handle(request)

    return admit


def _signed(handle: _Handler) -> _Handler:
    async def check(request: Request) -> Response:
        secrets = request.app.state.dependencies.webhook_secrets
        try:
            check_signature(request.headers.get(HEADER), await request.body(), secrets, time.time())
        except NotSigned as why:
            raise Unauthorized(str(why), headers={"WWW-Authenticate": HEADER}) from None
        return await handle(request)

    return check


async def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


InjectedCaller = Annotated[Caller, Depends(_caller)]


def guarded_router(**options: Any) -> APIRouter:  # noqa: ANN401 - APIRouter's
    return APIRouter(route_class=GuardedRoute, **options)


def add_security(document: dict[str, Any]) -> None:
    """Add the schemes, and the answers of a refused caller, to the OpenAPI document."""
    document["components"]["securitySchemes"] = SCHEMES
    for operations in document["paths"].values():
        for operation in operations.values():
            if operation["security"]:
                statuses = (401,) if _SIGNATURE in operation["security"][0] else (401, 403, 429)
                refusals = {str(status): answer for status, answer in documented(*statuses).items()}
                operation["responses"] = dict(sorted((refusals | operation["responses"]).items()))
