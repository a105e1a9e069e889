"""The few lines in which a lab says what happens while its orders run."""

from dataclasses import dataclass
from typing import Literal, get_args

from services.names import SERVICES

Plain = Literal["wait for the fault", "wait for the end", "cancel", "pay", "go on"]
WithEvent = Literal["wait for", "late"]
HANDLES = "handles"


class NotALine(ValueError):
    """The script has a line that no lab understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`wait for` an event of the orders; `late`: record it now; `handles`: wait until `service` has handled it."""

    verb: Plain | WithEvent | Literal["handles"]
    event: str = ""
    service: str = ""


def read_line(text: str) -> Line:
    """Raises NotALine."""
    for plain in get_args(Plain):
        if text == plain:
            return Line(verb=plain)
    for verb in get_args(WithEvent):
        if text.startswith(f"{verb} "):
            return Line(verb=verb, event=text.removeprefix(f"{verb} "))
    service, _, event = text.partition(f" {HANDLES} ")
    if service not in SERVICES or not event:
        raise NotALine(text)
    return Line(verb="handles", event=event, service=service)
