"""Every timeout and every retry of the saga, each with its reason."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

NEVER_AGAIN = ["ImpossibleState", "UnknownOrder"]
"""Faults of ours that no repetition mends."""


class Remote(TypedDict):
    """Options of an activity."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta | None
    retry_policy: RetryPolicy


class Local(Remote):
    """Options of a local activity."""

    local_retry_threshold: timedelta


# One attempt. A gateway or a database that says nothing for ten seconds has lost the call.
_ATTEMPT = timedelta(seconds=10)

# A step that cannot be done in five minutes is undone: a customer who waits longer has gone. A service that is down for
# less makes the saga wait, and nothing else.
_STEP_DEADLINE = timedelta(minutes=5)

# Whatever happens, an order is decided by then: more than the 30 minutes of a pix payment and what goes around it,
# less than the 45 after which the audit calls an order overdue.
ORDER_DEADLINE = timedelta(minutes=40)

# A saga that takes longer tells a search at which step it is, from there on. Most are over by then, also under load,
# and each update of the search attributes takes 4 to 6 ms of Temporal's processor time.
SLOW_AFTER = timedelta(seconds=5)

# Short at first, since most faults are gone at once; 10 s at most, so that a service that returns is noticed soon.
_PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
    non_retryable_error_types=NEVER_AGAIN,
)

# An undo gets eight attempts, about 23 s, which outlasts a restart; then a human looks at it, for nobody wants money to
# be stuck unseen.
_UNDO = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
    maximum_attempts=8,
    non_retryable_error_types=NEVER_AGAIN,
)

# While a local activity waits for its next attempt, its workflow task is kept open; beyond a second a timer is cheaper.
_LOCAL_WAIT = timedelta(seconds=1)

# Calls that leave our databases, or that must not run twice when a worker dies: Temporal keeps each in the history.
STEP = Remote(start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=_STEP_DEADLINE, retry_policy=_PATIENT)
UNDO = Remote(start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=None, retry_policy=_UNDO)

# Past the pivot, and for money that arrived: only forward, so for ever.
FORWARD = Remote(start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=None, retry_policy=_PATIENT)

# Short idempotent writes in a service's own database: no task of their own, which saves 20 events an order.
LOCAL_STEP = Local(**STEP, local_retry_threshold=_LOCAL_WAIT)
LOCAL_UNDO = Local(**UNDO, local_retry_threshold=_LOCAL_WAIT)
LOCAL_FORWARD = Local(**FORWARD, local_retry_threshold=_LOCAL_WAIT)
