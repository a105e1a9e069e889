"""A cursor says where a page ended. Callers give it back as they got it and read nothing in it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

from api.problems import FieldError, InvalidRequest
from domain.ids import OrderId

Place = tuple[datetime, OrderId]


def cursor_after(place: Place) -> str:
    at, order_id = place
    return urlsafe_b64encode(f"{at.astimezone(UTC).isoformat()} {order_id}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """Raises InvalidRequest for what no page ever ended with."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, order_id = text.split(" ")
        return datetime.fromisoformat(at).astimezone(UTC), OrderId(order_id)
    except ValueError:
        message = "is no cursor of this list"
        raise InvalidRequest(f"cursor {message}", errors=[FieldError(field="cursor", message=message)]) from None
