"""Puts what callers do on record before it is done, with the error if it was refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from starlette.concurrency import run_in_threadpool

from api.callers import Caller
from api.dependencies import Dependencies
from api.problems import ApiProblem
from domain.ids import OrderId
from services.access.actions import Action

log = structlog.get_logger()


@asynccontextmanager
async def recorded(
    caller: Caller, services: Dependencies, action: str, *, order_id: OrderId | None = None, detail: str | None = None
) -> AsyncIterator[None]:
    """Record the action, then do it in the block, and record its error. What cannot be recorded is not done."""
    entry = Action(
        at=datetime.now(UTC),
        key_id=caller.key.key_id,
        key_name=caller.key.name,
        action=action,
        order_id=order_id,
        detail=detail,
    )
    number = await run_in_threadpool(services.actions.begin, entry)
    log.info("action", action=action, key_id=entry.key_id, order_id=order_id, detail=detail)
    try:
        yield
    except Exception as error:
        why = error.detail if isinstance(error, ApiProblem) else type(error).__name__
        await run_in_threadpool(services.actions.refused, number, why)
        raise
