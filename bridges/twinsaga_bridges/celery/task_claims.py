"""Claims: one record in Redis for each activity that waits for a Celery task, with the activity and the task's state.

The broker may hold two messages of a task; the claim lets only one of them run. Each transition is one Lua script, so
of two processes only one succeeds. The record's field `order` is what Python calls the sequence of an execution.
"""

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self, cast

from redis import Redis

CLAIMS_HEADER = "workflow-claims"
"""Celery header that says where the sender keeps its claims, for the error that names both places if they differ."""

TASK_ID_PREFIX = "workflow-"
REDIS_PORT = 6379
TASK_ID = re.compile(rf"({TASK_ID_PREFIX}[0-9a-f]{{32}})-(\d+)")

# ARGV: expiry in ms, workflow id, run id, activity id, retry failures, heartbeat timeout in ms.
CLAIM = """
local state = redis.call('HGET', KEYS[1], 'state')
local run = tonumber(redis.call('HGET', KEYS[1], 'run') or '1')
if state == 'finished' and ARGV[5] == '1' and redis.call('HGET', KEYS[1], 'failed') == '1' then
  run, state = run + 1, false
end
if not state then
  redis.call('DEL', KEYS[1], KEYS[1] .. ':alive')
  redis.call('HSET', KEYS[1], 'state', 'sending', 'run', run, 'order', -1, 'workflow_id', ARGV[2], 'run_id', ARGV[3],
    'activity_id', ARGV[4], 'retry_failures', ARGV[5], 'heartbeat_ms', ARGV[6])
  state = 'sending'
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {run, state}
"""

# ARGV: run, order, acks_late, sure. A missing record lets the task run: better twice than never.
START = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'run' end
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] or state == 'finished' or state == 'cancelled' then return 'drop' end
if state == 'running' and tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[1], 'order'))
  and ARGV[4] ~= '1' and redis.call('EXISTS', KEYS[1] .. ':alive') == 1 then return 'doubtful' end
redis.call('HSET', KEYS[1], 'state', 'running', 'order', ARGV[2], 'acks_late', ARGV[3])
redis.call('HDEL', KEYS[1], 'progress')
redis.call('INCR', KEYS[1] .. ':alive')
redis.call('PEXPIRE', KEYS[1] .. ':alive', redis.call('HGET', KEYS[1], 'heartbeat_ms'))
return 'run'
"""

# ARGV: run, the states to move from, the state to move to, the mover's order ('' for any), whether the task failed.
MOVE = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state or redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
if not string.find(',' .. ARGV[2] .. ',', ',' .. state .. ',', 1, true) then return 0 end
if ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'order') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'failed', ARGV[5])
if state == 'running' then redis.call('DEL', KEYS[1] .. ':alive') end
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingActivity:
    """The activity that waits for a Celery task: what any process needs to complete it, whatever its attempt."""

    workflow_id: str
    run_id: str
    activity_id: str
    retry_failures: bool
    heartbeat_timeout: timedelta

    @property
    def key(self) -> str:
        """Unique for each activity, the same for all of its attempts."""
        identity = f"{self.workflow_id}\x00{self.run_id}\x00{self.activity_id}"
        return TASK_ID_PREFIX + hashlib.sha256(identity.encode()).hexdigest()[:32]

    @property
    def check_interval_s(self) -> float:
        """Seconds between two signs of life. Five missed ones are a heartbeat timeout."""
        return self.heartbeat_timeout.total_seconds() / 5


def redis_address(host: str | None, port: int | str | None) -> str:
    named = (host or "localhost").lower()
    return f"{'127.0.0.1' if named == 'localhost' else named}:{port or REDIS_PORT}"


def task_id_of(key: str, run: int) -> str:
    """Return Celery's id for the `run`th task of the activity, counted from 1."""
    return f"{key}-{run}"


def key_and_run(task_id: str) -> tuple[str, int] | None:
    """Parse such an id; None for the id of a task that no workflow waits for."""
    match = TASK_ID.fullmatch(task_id)
    return (match[1], int(match[2])) if match else None


class TaskState(StrEnum):
    SENDING = "sending"  # its message may or may not have reached the broker
    SENT = "sent"  # queued, or in the countdown of one of Celery's own retries
    RUNNING = "running"
    RELEASED = "released"  # its body raised Ignore: another program will store the result
    FINISHED = "finished"
    CANCELLED = "cancelled"  # before it ran; it never will


class StartDecision(StrEnum):
    RUN = "run"
    DROP = "drop"
    DOUBTFUL = "doubtful"  # another copy runs, or its worker died less than a heartbeat timeout ago


@dataclass(frozen=True, slots=True)
class TaskRecord:
    state: TaskState | None
    run: int
    acks_late: bool
    progress: bytes | None
    alive: bool


MAX_QUEUES = 100

OPEN = f"{TaskState.SENDING},{TaskState.SENT},{TaskState.RUNNING},{TaskState.RELEASED}"


class TaskClaims:
    """One record for each activity that waits for a Celery task.

    Both sides of the bridge need the same Redis, database and prefix.

    `kept`: lifetime of a record after its last claim. It must exceed the longest task, including its queueing.
    `elsewhere`: the Redis is, on purpose, neither the app's broker nor its result backend.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str = "celery-task:",
        kept: timedelta = timedelta(days=7),
        elsewhere: bool = False,
    ) -> None:
        self.elsewhere = elsewhere
        self._redis = redis
        self._prefix = prefix
        self._kept_ms = int(kept.total_seconds() * 1000)
        self._queues_key = f"{prefix.rstrip(':')}-queues"  # not among the records, which a test or an operator lists
        self._claim = redis.register_script(CLAIM)
        self._start = redis.register_script(START)
        self._move = redis.register_script(MOVE)

    @classmethod
    def at(cls, url: str, *, elsewhere: bool = False) -> Self:
        """Use the Redis at `url`. It connects on first use."""
        return cls(Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2), elsewhere=elsewhere)

    @property
    def address(self) -> str | None:
        """The server's host and port; None if it is found in another way, for example by Sentinel."""
        options = self._redis.connection_pool.connection_kwargs
        return redis_address(options["host"], options.get("port")) if "host" in options else None

    @property
    def place(self) -> str:
        """Where the records are, for an error message."""
        database = self._redis.connection_pool.connection_kwargs.get("db") or 0
        return f"{self.address or 'Redis'}/{database} {self._prefix}"

    def claim(self, activity: WaitingActivity) -> tuple[str, TaskState]:
        """Return the task's id and state. SENDING: the caller must send the task, perhaps for the second time."""
        answer = self._claim(
            keys=[self._prefix + activity.key],
            args=[
                self._kept_ms,
                activity.workflow_id,
                activity.run_id,
                activity.activity_id,
                int(activity.retry_failures),
                int(activity.heartbeat_timeout.total_seconds() * 1000),
            ],
        )
        run, state = cast("tuple[int, bytes]", answer)
        return task_id_of(activity.key, run), TaskState(state.decode())

    def waiting_activity(self, task_id: str) -> WaitingActivity | None:
        """Return the activity that waits for this run of the task; None if its claim is lost, or for a later run."""
        key, run = self._key_and_run(task_id)
        fields = ["workflow_id", "run_id", "activity_id", "retry_failures", "heartbeat_ms", "run"]
        found = [value.decode() for value in cast("list[bytes | None]", self._redis.hmget(key, fields)) if value]
        if len(found) < len(fields) or int(found[-1]) != run:
            return None
        workflow_id, run_id, activity_id, retry, heartbeat_ms, _ = found
        return WaitingActivity(
            workflow_id=workflow_id,
            run_id=run_id,
            activity_id=activity_id,
            retry_failures=retry == "1",
            heartbeat_timeout=timedelta(milliseconds=int(heartbeat_ms)),
        )

    def start(self, task_id: str, *, sequence: int, acks_late: bool, sure: bool = False) -> StartDecision:
        """Decide whether this copy of the message runs. `sure`: the caller has checked that no other copy does."""
        key, run = self._key_and_run(task_id)
        answer = self._start(keys=[key], args=[run, sequence, int(acks_late), int(sure)])
        return StartDecision(cast("bytes", answer).decode())

    def sent(self, task_id: str) -> bool:
        return self._moved(task_id, TaskState.SENDING, TaskState.SENT)

    def requeue(self, task_id: str, sequence: int, state: TaskState) -> bool:
        """Move from RUNNING to SENT (Celery retries it) or RELEASED, unless a later execution has started."""
        return self._moved(task_id, TaskState.RUNNING, state, sequence=str(sequence))

    def finish(self, task_id: str, *, failed: bool) -> bool:
        return self._moved(task_id, OPEN, TaskState.FINISHED, failed=failed)

    def cancel(self, task_id: str) -> bool:
        """Return False if the task runs already, or has ended."""
        return self._moved(task_id, f"{TaskState.SENDING},{TaskState.SENT}", TaskState.CANCELLED)

    def mark_alive(self, task_id: str, activity: WaitingActivity) -> None:
        """Give a sign of life; it lasts for one heartbeat timeout."""
        key = self._key_and_run(task_id)[0] + ":alive"
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.incr(key)
            pipeline.pexpire(key, activity.heartbeat_timeout)
            pipeline.execute()

    def signs_of_life(self, task_id: str) -> bytes | None:
        """Return a counter of the signs of life; None after a heartbeat timeout without one."""
        return cast("bytes | None", self._redis.get(self._key_and_run(task_id)[0] + ":alive"))

    def expect_no_redelivery(self, task_id: str) -> None:
        self._redis.hset(self._key_and_run(task_id)[0], "acks_late", "0")

    def store_progress(self, task_id: str, details: str) -> None:
        self._redis.hset(self._key_and_run(task_id)[0], "progress", details)

    def add_read_queues(self, queues: Sequence[str]) -> None:
        """Note that a Celery worker reads from these queues."""
        key = self._queues_key
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd(key, dict.fromkeys(queues, time.time()))
            pipeline.zremrangebyrank(key, 0, -MAX_QUEUES - 1)
            pipeline.pexpire(key, self._kept_ms)
            pipeline.execute()

    def read_queues(self) -> set[str]:
        found = cast("list[bytes]", self._redis.zrange(self._queues_key, 0, -1))
        return {queue.decode() for queue in found}

    def record(self, task_id: str) -> TaskRecord:
        key = self._key_and_run(task_id)[0]
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(key, ["state", "run", "acks_late", "progress"])
            pipeline.exists(key + ":alive")
            (state, run, acks_late, progress), alive = pipeline.execute()
        return TaskRecord(
            state=TaskState(state.decode()) if state else None,
            run=int(run or 1),
            acks_late=acks_late == b"1",
            progress=progress,
            alive=bool(alive),
        )

    def _moved(self, task_id: str, source: str, target: TaskState, *, sequence: str = "", failed: bool = False) -> bool:
        key, run = self._key_and_run(task_id)
        return bool(self._move(keys=[key], args=[run, source, target, sequence, int(failed)]))

    def _key_and_run(self, task_id: str) -> tuple[str, int]:
        known = key_and_run(task_id)
        if known is None:
            raise ValueError(f"no workflow waits for the task {task_id}")
        return self._prefix + known[0], known[1]
