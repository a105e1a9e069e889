"""Maps each exception to its problem details, so that no route catches what it cannot handle."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from api.problems import (
    ApiProblem,
    BodyTooLarge,
    BodyTooSlow,
    FieldError,
    InvalidRequest,
    NotFound,
    Problem,
    ProblemResponse,
    ReusedKey,
    away,
    problem_response,
)
from domain.errors import KeyReused, UnknownOrder, UnknownProduct
from messaging.errors import Fault

log = structlog.get_logger()

ERRORS_SHOWN = 100
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_PAYMENT_TAGS = frozenset({"card", "pix"})
_OF_FRAMEWORK: Mapping[int, type[ApiProblem]] = {413: BodyTooLarge, 408: BodyTooSlow}


def add_exception_handlers(app: FastAPI) -> None:
    app.exception_handler(ApiProblem)(_own)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(UnknownOrder)(_unknown)
    app.exception_handler(UnknownProduct)(_unknown)
    app.exception_handler(KeyReused)(_key_reused)
    app.exception_handler(Fault)(_fault)
    app.exception_handler(Exception)(_unexpected)


def _own(_: Request, error: ApiProblem) -> ProblemResponse:
    return error.response()


def _unknown(_: Request, error: UnknownOrder | UnknownProduct) -> ProblemResponse:
    return NotFound(str(error)).response()


def _key_reused(_: Request, error: KeyReused) -> ProblemResponse:
    return ReusedKey(str(error)).response()


def _fault(_: Request, error: Fault) -> ProblemResponse:
    log.warning("request failed with a fault", fault=type(error).__name__, error=str(error))
    return away("a service").response()


def _unexpected(_: Request, error: Exception) -> ProblemResponse:
    log.error("request failed with an unexpected error", error=type(error).__name__, exc_info=error)
    return problem_response(
        Problem(title="Internal Server Error", status=500, detail="the error is in the server, not in the request")
    )


def _http(request: Request, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI's answer to a body that it cannot decode at all
        return _not_json()
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join([*_methods_of(request), "OPTIONS"])
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    if error.status_code in _OF_FRAMEWORK:
        # The rest of the body is not read, so the connection cannot serve another request.
        headers["Connection"] = "close"
        return _OF_FRAMEWORK[error.status_code](str(error.detail), headers=headers).response()
    return problem_response(
        Problem(title=HTTPStatus(error.status_code).phrase, status=error.status_code, detail=str(error.detail)), headers
    )


def _methods_of(request: Request) -> Iterator[str]:
    """The methods of the path. The framework's own `Allow` has only those of the first route with this path."""
    root = request.scope.get("app_root_path", request.scope["root_path"])  # a mount has changed `root_path`
    for method in METHODS:
        asked = {**request.scope, "root_path": root, "method": "GET" if method == "HEAD" else method}
        found = (route for route in request.app.router.routes if route.matches(asked)[0] is Match.FULL)
        # A mount, which is our static files, matches every method.
        if any(asked["method"] == "GET" or not isinstance(route, Mount) for route in found):
            yield method


def _not_json() -> ProblemResponse:
    return InvalidRequest.of_field("body", "is not JSON").response()


def _invalid(_: Request, error: RequestValidationError) -> ProblemResponse:
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return _not_json()
    errors = [FieldError(field=_field(each), message=_message(each)) for each in found[:ERRORS_SHOWN]]
    names = ", ".join(dict.fromkeys(each.field for each in errors))
    return InvalidRequest(f"not valid: {names}", errors=errors).response()


def _field(error: dict[str, Any]) -> str:
    """The name as the client wrote it: `lines.0.quantity`, `Idempotency-Key`, `cursor`."""
    source, *path = error["loc"]
    if source == "header":
        return "-".join(word.capitalize() for word in str(path[0]).split("-"))
    if error["type"].startswith("union_tag"):
        path.append("method")
    return ".".join(_without_tags(path)) or str(source)


def _message(error: dict[str, Any]) -> str:
    if error["type"] == "model_attributes_type":
        return "Input should be a JSON object, sent with Content-Type: application/json"
    return str(error["msg"])


def _without_tags(path: Sequence[str | int]) -> Iterator[str]:
    """Drop the tag that pydantic inserts between `payment` and its field: the kind of payment that it chose."""
    previous: str | int = ""
    for part in path:
        if not (previous == "payment" and part in _PAYMENT_TAGS):
            yield str(part)
        previous = part
