"""The dead letters of the choreography as the API sees them."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from api.problems import ApiProblem, FieldError, InvalidRequest

PLACE = r"^[A-Za-z0-9._-]{1,249}/[0-9]{1,9}/[0-9]{1,18}$"
"""Topic, partition and offset among the dead letters."""


class CannotGoBack(ApiProblem):
    status, name, title = 409, "cannot-go-back", "The dead letter cannot be redriven"


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersWanted:
    """What is None makes no difference. `topic` is the one that the message came from, `group` who gave it up."""

    topic: str | None = None
    group: str | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """Where a reading goes on: behind `place`, with letters no younger than `until_ms`, so that it comes to an end.

    `until_ms` is the moment at which its first page was asked for, in milliseconds since 1970.
    """

    place: str
    until_ms: int


class Letter(Protocol):
    @property
    def place(self) -> str:
        """As PLACE."""
        ...

    @property
    def buried_at(self) -> datetime: ...

    @property
    def event_type(self) -> str: ...

    @property
    def order_id(self) -> str | None: ...

    @property
    def story(self) -> Mapping[str, str]:
        """What was told when it was buried: topic, partition, offset, timestamp, group, error, message, attempts."""
        ...

    @property
    def whole(self) -> bool:
        """One that was too large came without its value, and cannot go back."""
        ...


class LetterPage(Protocol):
    @property
    def letters(self) -> Sequence[Letter]: ...

    @property
    def following(self) -> Bookmark | None:
        """None at the end."""
        ...


class Redriven(Protocol):
    @property
    def sent(self) -> int: ...

    @property
    def left(self) -> int:
        """How many of those that were wanted cannot go back."""
        ...

    @property
    def following(self) -> Bookmark | None:
        """Where there may be more; None at the end."""
        ...


class DeadLetterBox(Protocol):
    """Every method blocks, and raises a Fault when the broker is away."""

    def page(self, wanted: LettersWanted, limit: int, behind: Bookmark | None) -> LetterPage:
        """A page may be short although others follow."""
        ...

    def find(self, place: str) -> Letter | None: ...

    def redrive(self, wanted: LettersWanted, behind: Bookmark | None) -> Redriven:
        """Send a bounded number of them to their topics again."""
        ...

    def redrive_one(self, place: str) -> Redriven | None:
        """None if no letter is there."""
        ...


def cursor_of(bookmark: Bookmark | None) -> str | None:
    if bookmark is None:
        return None
    return urlsafe_b64encode(f"{bookmark.until_ms} {bookmark.place}".encode()).decode().rstrip("=")


def bookmark_of(cursor: str | None) -> Bookmark | None:
    """Raises InvalidRequest for what no page ever ended with."""
    if cursor is None:
        return None
    try:
        until_ms, place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        bookmark = Bookmark(place=place, until_ms=int(until_ms))
    except ValueError:
        bookmark = None
    if bookmark is None or not re.fullmatch(PLACE, bookmark.place):
        message = "is no cursor of this list"
        raise InvalidRequest(f"cursor {message}", errors=[FieldError(field="cursor", message=message)])
    return bookmark
