"""What becomes of each exception."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.problems import (
    ApiProblem,
    EngineAway,
    FieldError,
    InvalidRequest,
    NotFound,
    Problem,
    ProblemResponse,
    ReusedKey,
    problem_response,
)
from domain.errors import Fault, KeyReused, UnknownOrder, UnknownProduct

log = structlog.get_logger()

RETRY_AFTER_S = 2
ERRORS_SHOWN = 100
_PAYMENT_TAGS = frozenset({"card", "pix"})


def answer_problems(app: FastAPI) -> None:
    """Give every exception its problem, so that no route catches what it cannot mend."""
    app.exception_handler(ApiProblem)(_own)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(UnknownOrder)(_unknown)
    app.exception_handler(UnknownProduct)(_unknown)
    app.exception_handler(KeyReused)(_key_reused)
    app.exception_handler(Fault)(_fault)
    app.exception_handler(Exception)(_unforeseen)


def away(what: str, so: str = "what was done so far is repeated without harm") -> EngineAway:
    return EngineAway(f"{what} does not answer; {so}; try again", headers={"Retry-After": str(RETRY_AFTER_S)})


def _own(_: Request, error: ApiProblem) -> ProblemResponse:
    return error.response()


def _unknown(_: Request, error: UnknownOrder | UnknownProduct) -> ProblemResponse:
    return NotFound(str(error)).response()


def _key_reused(_: Request, error: KeyReused) -> ProblemResponse:
    return ReusedKey(str(error), errors=[FieldError(field="Idempotency-Key", message=str(error))]).response()


def _fault(_: Request, error: Fault) -> ProblemResponse:
    log.warning("a fault reached the caller", fault=type(error).__name__, error=str(error))
    return away("a service").response()


def _unforeseen(_: Request, error: Exception) -> ProblemResponse:
    log.error("an unforeseen error reached the caller", error=type(error).__name__, exc_info=error)
    return problem_response(
        Problem(title="Internal Server Error", status=500, detail="this is a fault of the server, not of the request")
    )


def _http(_: Request, error: HTTPException) -> ProblemResponse:
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # the framework's answer to a body that it could not even begin to decode
        return _not_json()
    return problem_response(
        Problem(title=HTTPStatus(error.status_code).phrase, status=error.status_code, detail=str(error.detail)),
        error.headers,
    )


def _not_json() -> ProblemResponse:
    message = "is not JSON"
    return InvalidRequest(f"the body {message}", errors=[FieldError(field="body", message=message)]).response()


def _invalid(_: Request, error: RequestValidationError) -> ProblemResponse:
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return _not_json()
    errors = [FieldError(field=_field(each), message=_message(each)) for each in found[:ERRORS_SHOWN]]
    named = ", ".join(dict.fromkeys(each.field for each in errors))
    return InvalidRequest(f"not valid: {named}", errors=errors).response()


def _field(error: dict[str, Any]) -> str:
    """Name the field as the caller wrote it: `lines.0.quantity`, `Idempotency-Key`, `cursor`."""
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


def _without_tags(path: Sequence[str | int]) -> list[str]:
    """Drop what the validation adds between `payment` and its field: which kind of payment it took it for."""
    kept: list[str] = []
    for part in path:
        if not (kept and kept[-1] == "payment" and part in _PAYMENT_TAGS):
            kept.append(str(part))
    return kept
