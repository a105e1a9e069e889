"""Timeouts and retry policies of the saga, each with its reason."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

NEVER_AGAIN = ["ImpossibleState", "BrokenSeal", "UnknownOrder"]
"""Names of exceptions, without their subclasses: faults of our own code, or a forged order. No retry helps."""


class Remote(TypedDict):
    """Options of an activity."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta | None
    retry_policy: RetryPolicy


class Local(Remote):
    """Options of a local activity."""

    local_retry_threshold: timedelta


# One attempt. A gateway or a database that is silent for ten seconds has lost the call.
_ATTEMPT = timedelta(seconds=10)

# Limit of one step over all attempts, after which the order is undone: customers do not wait longer. A service that is
# down for less only delays the saga.
_STEP_DEADLINE = timedelta(minutes=5)

# Every order is decided by then: more than the 30 minutes of a pix payment plus the other steps, less than the 45 after
# which the audit reports an order as overdue.
ORDER_DEADLINE = timedelta(minutes=40)

# From then on the saga's current step is searchable. Most sagas end earlier, also under load, and each update of the
# search attributes takes 4 to 6 ms of Temporal's processor time.
SLOW_AFTER = timedelta(seconds=5)

# Short at first, since most faults are transient; at most 10 s, so that a service that returns is noticed soon.
_PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
    non_retryable_error_types=NEVER_AGAIN,
)

# An undo gets eight attempts, about 23 s, which outlasts a restart. Then an operator must look at it: money must not be
# stuck unseen.
_UNDO = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
    maximum_attempts=8,
    non_retryable_error_types=NEVER_AGAIN,
)

# Between two attempts of a local activity its workflow task stays open; for pauses longer than this a timer is cheaper.
_LOCAL_WAIT = timedelta(seconds=1)

# Calls that leave our databases, or that must not run twice when a worker dies: Temporal records each in the history.
STEP = Remote(start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=_STEP_DEADLINE, retry_policy=_PATIENT)
UNDO = Remote(start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=None, retry_policy=_UNDO)

# Past the pivot, and for money that arrived: only forward, so without a deadline.
FORWARD = Remote(start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=None, retry_policy=_PATIENT)

# Short idempotent writes in a service's own database: no activity task, which saves 20 history events per order.
LOCAL_STEP = Local(**STEP, local_retry_threshold=_LOCAL_WAIT)
LOCAL_UNDO = Local(**UNDO, local_retry_threshold=_LOCAL_WAIT)
LOCAL_FORWARD = Local(**FORWARD, local_retry_threshold=_LOCAL_WAIT)
