"""Dead letters as operators see them: the reason, never the value, which contains names, addresses and tokens."""

import re
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from api.cursors import decode_cursor, encode_cursor
from messaging.dead_letters import Bookmark, Letter, LetterFilter, Redriven
from services.intake.fields import Body, Instant, Text

PLACE = r"^[A-Za-z0-9._-]{1,249}/[0-9]{1,9}/[0-9]{1,18}$"
"""Topic, partition and offset."""

PlaceText = Annotated[
    str,
    StringConstraints(pattern=PLACE),
    Field(description="topic/partition/offset among the dead letters", examples=["inventory.dlq/0/17"]),
]
Cursor = Annotated[str, StringConstraints(max_length=500)]


def cursor_of(bookmark: Bookmark | None) -> str | None:
    return encode_cursor(bookmark.until_ms, bookmark.place) if bookmark else None


def bookmark_of(cursor: str | None) -> Bookmark | None:
    """Raises InvalidRequest."""
    return decode_cursor(cursor, _bookmark) if cursor is not None else None


def _bookmark(until_ms: str, place: str) -> Bookmark:
    if not re.fullmatch(PLACE, place):
        raise ValueError(place)
    if not re.fullmatch(r"[0-9]{1,15}", until_ms):  # later than any timestamp of a broker
        raise ValueError(until_ms)
    return Bookmark(place=place, until_ms=int(until_ms))


class LetterView(BaseModel):
    """`topic`, `partition`, `offset`, `timestamp_ms`: those of the original message. `group`: the one that gave up."""

    place: str
    buried_at: Instant
    type: str | None
    order_id: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    timestamp_ms: int | None
    group: str | None
    error: str | None
    message: str | None
    attempts: int | None
    can_be_redriven: bool

    @classmethod
    def of(cls, letter: Letter) -> Self:
        story = letter.story
        return cls(
            place=letter.place,
            buried_at=letter.buried_at,
            type=letter.event_type or None,
            order_id=letter.correlation_key,
            topic=story.get("topic"),
            partition=_number(story.get("partition")),
            offset=_number(story.get("offset")),
            timestamp_ms=_number(story.get("timestamp")),
            group=story.get("group"),
            error=story.get("error"),
            message=story.get("message"),
            attempts=_number(story.get("attempts")),
            can_be_redriven=letter.whole,
        )


class LetterList(BaseModel):
    items: list[LetterView]
    next_cursor: str | None


class WantedBody(Body):
    """At least one field is required."""

    topic: Text | None = None
    group: Text | None = None
    order_id: Text | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self == WantedBody.model_construct():
            raise ValueError("needs a topic, group or order_id; use `all` to redrive everything")
        return self

    def wanted(self) -> LetterFilter:
        return LetterFilter(topic=self.topic, group=self.group, correlation_key=self.order_id)


class RedriveBody(Body):
    """Exactly one of `place`, `filter` and `all`. `cursor` continues where the last response stopped."""

    place: PlaceText | None = None
    filter: WantedBody | None = None
    all: bool = False
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        if [self.place is not None, self.filter is not None, self.all].count(True) != 1:
            raise ValueError("needs exactly one of place, filter and all")
        return self


class RedrivenView(BaseModel):
    """With a `next_cursor` there may be more: repeat the request with it as `cursor`."""

    redriven: int
    cannot_go_back: int
    next_cursor: str | None

    @classmethod
    def of(cls, redriven: Redriven) -> Self:
        return cls(redriven=redriven.sent, cannot_go_back=redriven.left, next_cursor=cursor_of(redriven.following))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,19}", text) else None
