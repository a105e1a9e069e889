"""What is wrong: one event, which becomes a dead letter, or a service that is away, which all events wait for."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import KafkaError
from temporalio.service import RPCError

AWAY = (OSError, KafkaError, RPCError)
"""Exceptions that are about a service, whatever the event. ConnectionError and TimeoutError are OSErrors."""

EVENT_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Exceptions of bad data or of a bug. A codec that may also fail to get its keys raises them about the event."""

LONGEST_DESCRIPTION = 1_000


class Undeliverable(Exception):
    """No retry helps: the event cannot be mapped or encoded, arrives too late, or the workflow rejects it."""


class NoWorkflow(Undeliverable):
    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"no workflow runs under the id {workflow_id}")


class MissingSearchAttribute(Exception):
    """The namespace lacks a search attribute that a start sets. Without it every such start would be lost."""


class NoWorker(Exception):
    """No worker answered an update in time. It may have had an effect; repeating it is harmless."""


class CodecFault(Exception):
    """The payload codec or the external storage failed, for example because its keys cannot be read."""


@contextmanager
def mapping() -> Iterator[None]:
    """For code that calls a route's functions: they see only the event, so what they raise is about it."""
    try:
        yield
    except (Undeliverable, CodecFault):
        raise
    except Exception as error:
        raise Undeliverable(f"the event cannot be mapped: {described(error)}") from error


@contextmanager
def event_faults(away: tuple[type[Exception], ...]) -> Iterator[None]:
    """For a route's async functions: what they raise is about the event, unless its class is in `away`."""
    try:
        yield
    except away:
        raise
    except Exception as error:
        raise Undeliverable(f"the event cannot be handled: {described(error)}") from error


def concerns_event(error: Exception) -> bool:
    # ssl.CertificateError is a ValueError and an OSError. An OSError is always about a connection or a disk.
    return isinstance(error, EVENT_FAULTS) and not isinstance(error, OSError)


def described(error: Exception) -> str:
    """Return the exception's class and message in bounded, valid UTF-8: it becomes a header of the dead letter."""
    text = f"{type(error).__name__}: {error}"[:LONGEST_DESCRIPTION]
    # JSON may contain lone surrogates, and exceptions quote what they were given.
    return text.encode(errors="backslashreplace").decode()
