"""Calls to Temporal, as many at a time as it answers quickly, and repeated together while it is away.

A slow server gets slower with each call that waits for it. So the number of concurrent calls falls to a half when an
answer takes long, and grows again with each quick one (additive increase, multiplicative decrease, as in TCP). When
Temporal does not answer, all calls wait for one backoff; then one of them finds out whether it is back.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from typing import TypeVar

from temporalio.api.errordetails.v1 import (
    NamespaceNotFoundFailure,
    ResourceExhaustedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.faults import NoWorker, Undeliverable, concerns_event, described

SLOW_S = 1.0
"""An answer that takes longer shrinks the number of calls. Temporal usually acknowledges within milliseconds."""

AWAY = Backoff(first_s=0.1, longest_s=5.0)

LARGE = 1024 * 1024
"""Bytes. A smaller request is below every size limit: that of Temporal (2 MB) and that of gRPC (4 MB)."""

_NO_ANSWER = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}

T = TypeVar("T")
log = logging.getLogger(__name__)


class TemporalAway(Exception):
    """Temporal did not acknowledge. Whether the call had an effect is unknown; repeating it is harmless.

    `kind` is the same for failures that have the same cause.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class NotFound(Exception):
    """No workflow runs under the id: it has ended, or never started."""


class AlreadyExists(Exception):
    """A workflow runs, or has run, under the id. `request_id` is that of its start, empty if Temporal does not say."""

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(message)
        self.request_id = request_id


class NotSent(Undeliverable):
    """The client cannot encode the request, so nothing is known about Temporal."""


class InvalidRequest(Undeliverable):
    """Temporal rejects the request whenever it comes."""


class _State(Enum):
    QUICK = "quick"
    SLOW = "slow"
    AWAY = "away"


class TemporalCalls:
    """Use it on one event loop. `most`: maximum number of concurrent calls. `clock` is monotonic, in seconds."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._limit = float(most)
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._wake: asyncio.TimerHandle | None = None
        self._open_at = 0.0
        self._delays: Iterator[float] = AWAY.jittered()
        self._shrunk_at = self._changed_at = clock()
        self._state, self._kind = _State.QUICK, ""

    @property
    def limit(self) -> int:
        """How many calls may run at a time now."""
        return 1 if self._state is _State.AWAY else max(1, int(self._limit))

    async def acknowledged(
        self, call: Callable[[], Awaitable[T]], request_bytes: int, *, needs_worker: bool = False
    ) -> T:
        """Call until Temporal has answered, and return its answer.

        Args:
            call: repeatable.
            request_bytes: size of the request, or more.
            needs_worker: a worker must answer too. Such a call may take long, which says nothing about Temporal, and
                takes no place of the others.

        Raises:
            Undeliverable: no retry helps.
            NotFound, AlreadyExists: what that means depends on the call.
            NoWorker: Temporal may be away, or a worker; call again later.
        """
        while True:
            await self._enter()
            waits_for_worker = needs_worker and self._state is not _State.AWAY
            if waits_for_worker:
                self._leave()
            began = self._clock()
            try:
                answer = await _interpreted(call, request_bytes)
            except TemporalAway as away:
                self._failed(began, away)
            except (NotSent, NoWorker):
                raise
            except Exception:
                self._answered(began, timed=not needs_worker)
                raise
            else:
                self._answered(began, timed=not needs_worker)
                return answer
            finally:
                if not waits_for_worker:
                    self._leave()

    async def _enter(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._running -= 1
        self._admit()

    def _admit(self) -> None:
        remaining_s = self._open_at - self._clock()
        if remaining_s > 0:
            if self._wake is None and self._waiting:
                self._wake = asyncio.get_running_loop().call_later(remaining_s, self._woken)
            return
        while self._waiting and self._running < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._running += 1
                place.set_result(None)

    def _woken(self) -> None:
        self._wake = None
        self._admit()

    def _answered(self, began: float, *, timed: bool) -> None:
        if self._state is _State.AWAY and began < self._shrunk_at:
            return  # it was called before the failure, and says nothing about the time after it
        self._delays = AWAY.jittered()
        self._open_at = 0.0
        if timed and self._clock() - began > SLOW_S:
            self._shrink(began)
        elif timed:
            self._limit = min(self._most, self._limit + 1 / self._limit)
        self._change(_State.QUICK if self._limit >= self._most else _State.SLOW)

    def _failed(self, began: float, away: TemporalAway) -> None:
        # Calls that began before the last failure fail with it, for one reason: they count once.
        if self._shrink(began):
            self._open_at = self._clock() + next(self._delays)
            self._change(_State.AWAY, away)

    def _shrink(self, began: float) -> bool:
        if began < self._shrunk_at:
            return False
        self._limit = max(1.0, self._limit / 2)
        self._shrunk_at = self._clock()
        return True

    def _change(self, state: _State, away: TemporalAway | None = None) -> None:
        kind = away.kind if away is not None else ""
        if (state, kind) == (self._state, self._kind):
            return
        lasted_s = self._clock() - self._changed_at
        before, self._state, self._kind, self._changed_at = self._state, state, kind, self._clock()
        if state is _State.AWAY:
            log.error("Temporal is away, all deliveries wait: %s", away)
        elif before is _State.AWAY:
            log.warning("Temporal answers again after %.1f s", lasted_s)
        elif state is _State.SLOW:
            log.warning("Temporal answers slowly: at most %d calls at a time instead of %d", self.limit, self._most)
        else:
            log.info("Temporal answers quickly again: up to %d calls at a time", self._most)


async def _interpreted(call: Callable[[], Awaitable[T]], request_bytes: int) -> T:
    try:
        return await call()
    except RPCError as error:
        raise _meaning_of(error, request_bytes) from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise NoWorker("no worker answered the update in time") from error
    except Exception as error:
        if concerns_event(error):
            raise NotSent(f"the request cannot be sent: {described(error)}") from error
        raise


def _meaning_of(error: RPCError, request_bytes: int) -> Exception:
    match error.status:
        case RPCStatusCode.INVALID_ARGUMENT:
            return InvalidRequest(f"Temporal rejects the request: {error}")
        case RPCStatusCode.RESOURCE_EXHAUSTED if request_bytes > LARGE and not _has(error, ResourceExhaustedFailure):
            # A rate limit of Temporal comes with details; gRPC's own size limit has the same status without any.
            return Undeliverable(f"the request is too large for Temporal: {error}")
        case RPCStatusCode.NOT_FOUND if _has(error, NamespaceNotFoundFailure):
            return TemporalAway("no namespace", f"the namespace does not exist: {error}")
        case RPCStatusCode.NOT_FOUND:
            return NotFound(str(error))
        case RPCStatusCode.ALREADY_EXISTS:
            return AlreadyExists(str(error), _started_by(error))
    kind = "no answer" if error.status in _NO_ANSWER else error.status.name
    return TemporalAway(kind, f"{error.status.name}: {error}")


def _has(error: RPCError, detail: type[NamespaceNotFoundFailure | ResourceExhaustedFailure]) -> bool:
    return any(found.Is(detail.DESCRIPTOR) for found in error.grpc_status.details)


def _started_by(error: RPCError) -> str:
    started = WorkflowExecutionAlreadyStartedFailure()
    unpacked = any(found.Unpack(started) for found in error.grpc_status.details)
    return started.start_request_id if unpacked else ""
