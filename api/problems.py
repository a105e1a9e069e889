"""Every answer that is no success: RFC 9457 problem+json, with the field named where there is one."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """`type` is a URN that a program can tell the problem by; `about:blank` says no more than the status."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


class ApiProblem(Exception):
    """An answer of this API that is a problem. `name` becomes the last part of its URN."""

    status: int
    name: str
    title: str

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)

    def response(self) -> ProblemResponse:
        problem = Problem(
            type=f"urn:twinsaga:problem:{self.name}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            errors=self.errors or None,
        )
        return problem_response(problem, self.headers)


class InvalidRequest(ApiProblem):
    status, name, title = 422, "invalid-request", "The request is not valid"


class ReusedKey(ApiProblem):
    status, name, title = 422, "key-reused", "The idempotency key was used before"


class KeyInFlight(ApiProblem):
    status, name, title = 409, "key-in-flight", "The first call with this idempotency key is not answered yet"


class NotPossibleNow(ApiProblem):
    status, name, title = 409, "not-possible-now", "The order does not stand where this is possible"


class NotFound(ApiProblem):
    status, name, title = 404, "not-found", "Not found"


class EngineAway(ApiProblem):
    status, name, title = 503, "engine-away", "Something this needs does not answer"


class BodyTooLarge(ApiProblem):
    status, name, title = 413, "body-too-large", "The body is too large"


class BodyTooSlow(ApiProblem):
    status, name, title = 408, "body-too-slow", "The body took too long to arrive"


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    return ProblemResponse(
        problem.model_dump(exclude_none=True), status_code=problem.status, headers=dict(headers) if headers else None
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What `/docs` says of the problems that a route may answer."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    schema["properties"]["errors"] = {"type": "array", "items": FieldError.model_json_schema()}
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}
