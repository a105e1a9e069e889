"""A repeated call is the same call: its key names the order, and a digest of its body tells whether it really is."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from api.dependencies import InFlightKeys
from api.problems import KeyInFlight

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and body give the first answer again; another body is refused.",
    ),
]


def fingerprint_of(body: BaseModel) -> str:
    """Digest what was asked for. Spacing and the order of the fields make no difference."""
    canonical = json.dumps(body.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


@asynccontextmanager
async def one_at_a_time(keys: InFlightKeys, scope: str, key: str | None) -> AsyncIterator[None]:
    """Turn a call away whose key is still being answered."""
    if key is None:
        yield
        return
    name = f"{scope}\n{key}"
    claim = await keys.claim(name)
    if claim is None:
        raise KeyInFlight("wait for the first answer, then ask again", headers={"Retry-After": "1"})
    try:
        yield
    finally:
        await keys.release(name, claim)
