"""Idempotency keys: the key determines the order id, and a digest of the body shows whether the request is the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Header

from api.dependencies import InFlightKeys
from api.problems import KeyInFlight
from services.intake.fields import Id

IdempotencyKey = Annotated[
    Id | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and body give the first answer again; another body is refused.",
    ),
]


@asynccontextmanager
async def one_at_a_time(keys: InFlightKeys, scope: str, key: str | None) -> AsyncIterator[None]:
    """Refuse a request while another one with the same key is being processed."""
    if key is None:
        yield
        return
    name = f"{scope}\n{key}"
    claim = await keys.claim(name)
    if claim is None:
        raise KeyInFlight("wait for the first answer, then send the request again", headers={"Retry-After": "1"})
    try:
        yield
    finally:
        await keys.release(name, claim)
