"""What Temporal's answers mean for an event: it is taken, nobody can take it, or it has to be sent again."""

from collections.abc import Awaitable
from typing import Any, Protocol

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure, ResourceExhaustedFailure
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.kafka.temporal_requests import Undeliverable

LARGE = 1024 * 1024
"""Bytes. A request below it is within every limit of size, Temporal's own (2 MB) and gRPC's (4 MB)."""

LARGEST_UPDATE = 2 * 1024 * 1024
"""Bytes. Temporal refuses a start or a signal above its limit for payloads, which this is unless somebody changed it.
An update it takes, and no worker can then complete a task of that workflow."""


class TemporalAway(Exception):
    """There was no acknowledgement; whether there was an effect is unknown, and repeating is harmless."""


class NotThere(TemporalAway):
    """No workflow runs under the id: it has ended, or never began."""


class AlreadyThere(TemporalAway):
    """A workflow runs under the id, or has ended."""


class _Message(Protocol):
    DESCRIPTOR: Any


async def acknowledged(call: Awaitable[object], request_bytes: int) -> None:
    """Return when Temporal has taken it.

    Raises:
        Undeliverable: no repetition helps.
        TemporalAway: repeat it, unless it is a NotThere or an AlreadyThere of which you know better.
    """
    try:
        await call
    except RPCError as error:
        raise _meaning_of(error, request_bytes) from error


def _meaning_of(error: RPCError, request_bytes: int) -> Exception:
    match error.status:
        case RPCStatusCode.INVALID_ARGUMENT:
            return Undeliverable(f"Temporal refuses it: {error}")
        case RPCStatusCode.RESOURCE_EXHAUSTED if request_bytes > LARGE and not _tells(error, ResourceExhaustedFailure):
            # Temporal names the limit on load that was reached. gRPC alone says this of a message that is too large.
            return Undeliverable(f"Temporal takes nothing so large: {error}")
        case RPCStatusCode.NOT_FOUND if _tells(error, NamespaceNotFoundFailure):
            return TemporalAway(f"the namespace does not exist: {error}")
        case RPCStatusCode.NOT_FOUND:
            return NotThere(str(error))
        case RPCStatusCode.ALREADY_EXISTS:
            return AlreadyThere(str(error))
    return TemporalAway(f"{error.status.name}: {error}")


def _tells(error: RPCError, detail: type[_Message]) -> bool:
    return any(told.Is(detail.DESCRIPTOR) for told in error.grpc_status.details)
