"""Problem details (RFC 9457): the body of every response that is not a success."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from fastapi.responses import JSONResponse
from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2


class FieldError(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """`type` is a URN by which a program recognises the problem; `about:blank` adds nothing to the status."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


class ApiProblem(Exception):
    """A problem with a type of our own. `name` becomes the last part of its URN."""

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

    @classmethod
    def of_field(cls, field: str, message: str) -> Self:
        return cls(f"{field} {message}", errors=[FieldError(field=field, message=message)])

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

    def __init__(self, detail: str = "this idempotency key was used before with another body") -> None:
        super().__init__(detail, errors=[FieldError(field="Idempotency-Key", message=detail)])


class KeyInFlight(ApiProblem):
    status, name, title = 409, "key-in-flight", "The first request with this idempotency key is still being processed"


class NotPossibleNow(ApiProblem):
    status, name, title = 409, "not-possible-now", "The current state does not allow this"


class CannotGoBack(ApiProblem):
    status, name, title = 409, "cannot-go-back", "The dead letter cannot be redriven"


class NotFound(ApiProblem):
    status, name, title = 404, "not-found", "Not found"


class Unauthorized(ApiProblem):
    status, name, title = 401, "unauthorized", "The caller is not known"

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, headers=headers or {"WWW-Authenticate": "Bearer"})


class Forbidden(ApiProblem):
    status, name, title = 403, "forbidden", "The key does not allow this"


class TooManyRequests(ApiProblem):
    status, name, title = 429, "too-many-requests", "The key has sent too many requests"


class ForeignOrigin(ApiProblem):
    status, name, title = 403, "foreign-origin", "Requests from pages of other sites are not allowed"


class ForeignHost(ApiProblem):
    status, name, title = 421, "foreign-host", "The request is for another host"


class OnlyFromHere(ApiProblem):
    status, name, title = 403, "only-from-here", "Only requests from the machine of the server are allowed"


class EngineAway(ApiProblem):
    status, name, title = 503, "engine-away", "A system that this needs does not answer"


class Busy(ApiProblem):
    status, name, title = 503, "busy", "The server is busy"


class BodyTooLarge(ApiProblem):
    status, name, title = 413, "body-too-large", "The body is too large"


class UploadAborted(ApiProblem):
    status, name, title = 400, "upload-aborted", "The upload was aborted"


class StorageFull(ApiProblem):
    status, name, title = 507, "storage-full", "No space is left for the file"


class BodyTooSlow(ApiProblem):
    status, name, title = 408, "body-too-slow", "The body took too long to arrive"


def away(what: str, so: str = "repeating the request is safe") -> EngineAway:
    """`what` does not answer. `so` says what that means for the request."""
    return EngineAway(f"{what} does not answer; {so}; try again", headers={"Retry-After": str(RETRY_AFTER_S)})


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    return ProblemResponse(
        problem.model_dump(exclude_none=True), status_code=problem.status, headers=dict(headers) if headers else None
    )


def documented(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route in OpenAPI, for the problems that it can answer with."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    schema["properties"]["errors"] = {"type": "array", "items": FieldError.model_json_schema()}
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


def documented_write(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """As `documented`, with the problems of every request that writes: its origin (403) or its body (408, 413)."""
    return documented(403, 408, 413, *statuses)
