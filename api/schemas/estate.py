"""Users and videos."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from services.estate.records import User, Video
from services.intake.fields import Body, Instant, Text

EngineName = Literal["celery", "temporal"]
VideoStatusName = Literal["queued", "processing", "done", "failed", "cancelled"]


def _deliverable(address: str) -> str:
    local, _, domain = address.rpartition("@")
    ascii_only = address.isascii() and address.isprintable() and " " not in address
    if not (ascii_only and 0 < len(local) <= 64 and domain.strip(".") == domain != "" and "@" not in local):  # noqa: PLR2004 - RFC 5321
        raise PydanticCustomError("email", "is not an e-mail address")
    if set(address) & set(',;:<>()[]"\\'):
        raise PydanticCustomError("email", "contains a character that is not allowed in a plain address")
    return address


_ATOM = r"!#-'*+\-./0-9=?A-Z^-~"
Email = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(_deliverable),
    Field(
        examples=["ana@example.com"],
        json_schema_extra={"pattern": rf"^[{_ATOM}]{{1,64}}@(?!\.)[{_ATOM}]*[{_ATOM.replace('.', '')}]$"},
    ),
]


class UserBody(Body):
    name: Text
    email: Email


class UserView(BaseModel):
    """`id` is the customer id for orders: mails about an order go to the user with that id."""

    id: str
    name: str
    email: str
    created_at: Instant

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(id=user.user_id, name=user.name, email=user.email, created_at=user.created_at)


class VideoLinks(BaseModel):
    self: str
    cancel: str
    temporal_ui: str | None


class VideoView(BaseModel):
    """Sizes are in bytes, `progress` is in percent. `error`: the error of the last attempt."""

    id: str
    engine: EngineName
    status: VideoStatusName
    progress: int
    attempts: int
    size_before: int
    size_after: int | None
    url: str | None
    error: str | None
    created_at: Instant
    finished_at: Instant | None
    links: VideoLinks

    @classmethod
    def of(cls, video: Video, temporal_ui: str | None) -> Self:
        path = f"/videos/{video.video_id}"
        return cls(
            id=video.video_id,
            engine=video.engine.value,
            status=video.status.value,
            progress=video.percent,
            attempts=video.attempts,
            size_before=video.size_before,
            size_after=video.size_after,
            url=video.stored_at,
            error=video.error,
            created_at=video.created_at,
            finished_at=video.finished_at,
            links=VideoLinks(self=path, cancel=f"{path}/cancel", temporal_ui=temporal_ui),
        )
