"""Signing in to the page with an API key, where the page has no key of its own. The forms are plain HTML."""

from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import structlog
from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from api.callers import Callers
from api.guarded_routes import PUBLIC, guarded_router
from api.problems import TooManyRequests, Unauthorized
from api.routers.page import show_sign_in
from messaging.errors import Fault

router = guarded_router(include_in_schema=False)
log = structlog.get_logger()

_FIELDS: Final = 10


@router.post("/sign-in", openapi_extra=PUBLIC)
async def sign_in(request: Request) -> Response:
    callers: Callers = request.app.state.callers
    try:
        caller = await callers.sign_in(request, _key_in(await request.body()))
    except Unauthorized:
        why = "This API key is not valid. It may be revoked or incomplete."
        return show_sign_in(request, why, HTTPStatus.UNAUTHORIZED)
    except TooManyRequests as refusal:
        why = "There were too many attempts from your address. Try again in a minute."
        return show_sign_in(request, why, HTTPStatus.TOO_MANY_REQUESTS, refusal.headers)
    except Fault as fault:
        log.warning("nobody can sign in", fault=type(fault).__name__, error=str(fault))
        why = "Nobody can sign in now: a system that this needs does not answer. Try again."
        return show_sign_in(request, why, HTTPStatus.SERVICE_UNAVAILABLE)
    log.info("signed in", key_id=caller.key.key_id)
    page = _to_the_page()
    callers.set_session(request, page, caller)
    return page


@router.post("/sign-out", openapi_extra=PUBLIC)
async def sign_out(request: Request) -> Response:
    callers: Callers = request.app.state.callers
    page = _to_the_page()
    await callers.sign_out(request, page)
    return page


def _to_the_page() -> Response:
    return RedirectResponse("/", HTTPStatus.SEE_OTHER)


def _key_in(form: bytes) -> str:
    """The field `key`; empty if there is none, or the form is not one of ours."""
    try:
        return parse_qs(form.decode("latin-1"), max_num_fields=_FIELDS).get("key", [""])[0].strip()
    except ValueError:
        return ""
