"""Reads files of orders and of products, and places the orders.

Each line of a file of orders is the body of `POST /orders` or, without style, `/order-pairs`.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from api.body_limits import BODY_LIMIT
from api.schemas.products import ProductBody
from cli.api_client import ApiClient, ApiRefusal, Json
from services.intake.fields import SkuText
from services.intake.order_body import wrong_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """`key`: the idempotency key of the line, the same whenever it is sent."""

    number: int
    body: Json
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    number: int
    reason: str


Bodies = Iterable[tuple[int, Json | str]]
"""Line numbers with the order of the line, or with the reason why the line has none."""


def count_orders(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for raw in file if raw.strip())


def orders_of(path: Path) -> Iterator[tuple[int, Json | str]]:
    """Read one order at a time, so a file can be larger than memory. Blank lines are skipped."""
    with path.open("rb") as file:
        for number, raw in _bounded(file):
            if raw.strip():
                yield number, _object(raw)


class _ProductLine(ProductBody):
    sku: SkuText


def products_of(path: Path) -> tuple[dict[str, Json], list[BadLine]]:
    """Return the body of `PUT /products/{sku}` by SKU, and the lines that are not a valid product."""
    products: dict[str, Json] = {}
    wrong: list[BadLine] = []
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        if not raw.strip():
            continue
        try:
            product = _ProductLine.model_validate_json(raw)
        except ValidationError as invalid:
            wrong.append(BadLine(number=number, reason=wrong_fields(invalid)))
        else:
            products[product.sku] = product.model_dump(exclude={"sku"})
    return products, wrong


def lines_of(bodies: Bodies, *, style: str | None, run: str) -> Iterator[OrderLine | BadLine]:
    """Add the style and the idempotency key to each order.

    `style` replaces the style of each order; "both" removes it. `run` is a part of every key: the same run places the
    same order once; equal lines of one file are several orders.
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


@dataclass(slots=True, kw_only=True)
class Tally:
    """`ends`: number of orders by status; orders that were not waited for count as `placed`."""

    failed: int = 0
    unfinished: int = 0
    ends: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Places many orders concurrently.

    `wait_s`: timeout per order, in seconds, to wait for its end; None does not wait. `on_error` is called with the line
    number and the reason, `on_placed` with the order id, `on_progress` after each line.
    """

    lines: Iterator[OrderLine | BadLine]
    concurrency: int
    wait_s: float | None
    on_error: Callable[[int, str], None]
    on_placed: Callable[[str], None]
    on_progress: Callable[[], None]

    async def place(self, client: ApiClient) -> Tally:
        tally = Tally()
        async with asyncio.TaskGroup() as workers:
            for _ in range(self.concurrency):
                workers.create_task(self._work(client, tally))
        return tally

    async def _work(self, client: ApiClient, tally: Tally) -> None:
        for line in self.lines:  # the workers share one iterator, so each line goes to one of them
            try:
                await self._place(line, client, tally)
            except ApiRefusal as refusal:
                tally.failed += 1
                self.on_error(line.number, str(refusal))
            self.on_progress()

    async def _place(self, line: OrderLine | BadLine, client: ApiClient, tally: Tally) -> None:
        if isinstance(line, BadLine):
            raise ApiRefusal(line.reason)
        for order_id in await client.place(line.body, line.key):
            self.on_placed(order_id)
            if self.wait_s is None:
                tally.ends["placed"] += 1
                continue
            order = await client.wait_until_finished(order_id, self.wait_s)
            if order is None:
                tally.unfinished += 1
                self.on_error(line.number, f"order {order_id} is not finished after {self.wait_s:.0f} s")
            else:
                tally.ends[order["status"]] += 1


def _bounded(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number the lines. Of a line longer than the API allows, one byte more than the limit is kept."""
    number = 0
    while raw := file.readline(BODY_LIMIT + 1):
        number += 1
        yield number, raw
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(BODY_LIMIT)


def _object(raw: bytes) -> Json | str:
    """Return the JSON object, or the reason why the line is not one."""
    if len(raw) > BODY_LIMIT:
        return f"is longer than {BODY_LIMIT} bytes"
    try:
        body = json.loads(raw)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()  # NaN and lone surrogates cannot be sent
    except (ValueError, RecursionError):
        return "is not JSON"
    return body if isinstance(body, dict) else "is not a JSON object"
