"""A file of orders, one JSON object a line: the body of `POST /orders` or, without a style, of `POST /order-pairs`."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from api.limits import BODY_LIMIT

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """`key` is the idempotency key that the line is placed under, however often it is sent."""

    number: int
    body: Json
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    number: int
    reason: str


Bodies = Iterable[tuple[int, Json | str]]
"""The orders, each with its line's number; for a line that holds none, the reason."""


def count_orders(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for raw in file if raw.strip())


def orders_of(path: Path) -> Iterator[tuple[int, Json | str]]:
    """Read the file while it is placed. Blank lines are skipped."""
    with path.open("rb") as file:
        for number, raw in _bounded(file):
            if raw.strip():
                yield number, _object(raw)


def lines_of(bodies: Bodies, *, style: str | None, run: str) -> Iterator[OrderLine | BadLine]:
    """Make the orders ready to be placed.

    Args:
        bodies: the orders.
        style: takes the place of their own style; "both" removes it.
        run: a part of every key. The same run places the same order once; equal lines of one file are several orders.
    """
    seen: Counter[str] = Counter()
    for number, body in bodies:
        if isinstance(body, str):
            yield BadLine(number=number, reason=body)
            continue
        styled = {name: value for name, value in body.items() if style is None or name != "style"}
        styled |= {"style": style} if style not in {None, "both"} else {}
        digest = sha256(json.dumps(styled, sort_keys=True).encode()).hexdigest()
        seen[digest] += 1
        yield OrderLine(number=number, body=styled, key=f"{run}-{digest}-{seen[digest]}")


def _bounded(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number the lines. Of a line that no body may be as long as, the rest is skipped."""
    number = 0
    while raw := file.readline(BODY_LIMIT + 1):
        number += 1
        yield number, raw
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(BODY_LIMIT)


def _object(raw: bytes) -> Json | str:
    """Return the object, or the reason why there is none."""
    if len(raw) > BODY_LIMIT:
        return f"is longer than {BODY_LIMIT} bytes"
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return "is not JSON"
    return body if isinstance(body, dict) else "is not a JSON object"
