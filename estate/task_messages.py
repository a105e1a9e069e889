"""Reads a Celery message before Celery does, and refuses one that could stop the worker.

Celery trusts its senders: a message that it cannot handle raises in the worker's main process, which ends; the broker
delivers the message again, and the next worker ends too. What passes here can fail its own task at most.
"""

from base64 import b64decode
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, TypeVar

from celery.app.task import Context
from kombu.utils.json import loads
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
"""A chord inside a chord takes about six levels. Pickling, on the way to a child process, fails at 500 or so."""
MAX_NAME = 255
MAX_REASON = 300
SHOWN_ERRORS = 3

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Text = Annotated[str, StringConstraints(max_length=MAX_BYTES, pattern=r"^[^\x00]*$")]  # a pattern refuses surrogates
Moment = Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9T:.+Z-]*$")]
Route = Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Seconds = Annotated[float, Field(ge=0, le=30 * 86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=100_000)]


T = TypeVar("T", bound="Part")


class RefusedMessage(Exception):
    """The message must not reach Celery. The text says why."""


class Part(BaseModel):
    # Strict: Celery uses the values as they are, so a "3" for a 3 must not pass.
    model_config = ConfigDict(strict=True, extra="allow")


class DeliveryInfo(Part):
    exchange: Route
    routing_key: Route


class Properties(Part):
    delivery_tag: Name
    delivery_info: DeliveryInfo
    body_encoding: Literal["base64"]
    priority: Annotated[int, Field(ge=0, le=255)] | None = None
    reply_to: Route | None = None
    correlation_id: Name | None = None


class Envelope(Part):
    """What the Redis transport of kombu stores. A compressed body is refused: a small one could become a huge one."""

    body: Text
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: dict[str, Any]
    properties: Properties

    def content(self) -> Any:  # noqa: ANN401 - JSON
        try:
            return _decoded(b64decode(self.body, validate=True))
        except ValueError as error:
            raise RefusedMessage(f"body: {error}") from error


class Headers(Part):
    """Version 2 of Celery's message protocol, the default since Celery 4."""

    task: Name
    id: Name
    root_id: Name | None = None
    parent_id: Name | None = None
    group: Name | None = None
    group_index: Count | None = None
    shadow: Name | None = None
    lang: Name | None = None
    origin: Name | None = None
    argsrepr: Text | None = None
    kwargsrepr: Text | None = None
    eta: Moment | None = None
    expires: Moment | None = None
    retries: Count | None = None
    timelimit: Annotated[list[Seconds | None], Field(min_length=2, max_length=2)] | None = None
    ignore_result: bool | None = None
    replaced_task_nesting: Count | None = None
    stamped_headers: list[Name] | None = None
    stamps: dict[Name, Any] | None = None
    compression: None = None

    @model_validator(mode="after")
    def _own_headers_replace_nothing(self) -> Self:
        # Celery makes each header an attribute of the task's request.
        for name in self.model_extra or ():
            if hasattr(Context, name):
                raise PydanticCustomError("reserved", "the header {name} is reserved", {"name": name})
        return self


class Signature(Part):
    task: Name
    options: dict[str, Any] = {}


class Embedded(Part):
    callbacks: list[Signature] | None = None
    errbacks: list[Signature] | None = None
    chain: list[Signature] | None = None
    chord: Signature | None = None


class Body(Part):
    args: list[Any]
    keywords: dict[str, Any]
    embedded: Embedded


class Command(Part):
    """A broadcast to the workers, as `revoke` is."""

    method: Name
    arguments: dict[str, Any] | None = None


def must_be_a_task(raw: bytes) -> None:
    """Raises RefusedMessage."""
    envelope = _read(Envelope, _decoded(raw))
    _read(Headers, envelope.headers)
    content = envelope.content()
    if not isinstance(content, list) or len(content) != len(Body.model_fields):
        raise RefusedMessage("body: must be the arguments, the keyword arguments and what follows the task")
    _read(Body, dict(zip(Body.model_fields, content, strict=True)))


def must_be_a_command(raw: bytes) -> None:
    """Raises RefusedMessage."""
    _read(Command, _read(Envelope, _decoded(raw)).content())


def _read(kind: type[T], value: object) -> T:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:SHOWN_ERRORS]
        shown = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
        raise RefusedMessage(shown) from error


def _decoded(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    if len(raw) > MAX_BYTES:
        raise RefusedMessage(f"it has {len(raw)} bytes, more than {MAX_BYTES}")
    try:
        value = loads(raw.decode())  # kombu's: it makes dates, numbers and UUIDs of marked objects
    except Exception as error:
        raise RefusedMessage(f"not JSON: {error!r}"[:MAX_REASON]) from error
    if any(depth > MAX_DEPTH for depth in _depths(value)):
        raise RefusedMessage(f"nested more than {MAX_DEPTH} deep")
    return value


def _depths(value: object) -> Iterator[int]:
    waiting = [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        yield depth
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        waiting.extend((one, depth + 1) for one in inner)
