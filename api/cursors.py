"""Cursors of the paged lists: opaque text that says where a page ended. Clients send it back unchanged."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response

from api.problems import InvalidRequest

T = TypeVar("T")


def encode_cursor(*parts: object) -> str:
    """`parts` must not contain spaces when they are written as text."""
    return urlsafe_b64encode(" ".join(map(str, parts)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parse: Callable[..., T]) -> T:
    """Pass the parts to `parse`, which raises ValueError for wrong ones. Raises InvalidRequest: not our cursor."""
    try:
        return parse(*urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" "))
    except (ValueError, TypeError, OverflowError):  # TypeError: a wrong number of parts
        raise InvalidRequest.of_field("cursor", "is not a cursor of this list") from None


def link_next_page(request: Request, response: Response, cursor: str | None) -> None:
    """Name the address of the next page, if there is one, in the header `Link` (RFC 8288)."""
    if cursor:
        query = urlencode(dict(request.query_params) | {"cursor": cursor})
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
