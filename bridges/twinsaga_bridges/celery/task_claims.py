"""One record in Redis for each activity that waits for a Celery task: who waits, and how far the task is.

The record is what makes a task run once although its message may exist twice. Every step is one script, so that
two processes never both believe that they were first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self, cast

from redis import Redis

from twinsaga_bridges.celery.task_call import AwaitedBy, key_and_run, task_id_of

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

START = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'run' end
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] or state == 'finished' or state == 'cancelled' then return 'drop' end
if state == 'running' and tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[1], 'order'))
  and ARGV[4] ~= '1' and redis.call('EXISTS', KEYS[1] .. ':alive') == 1 then return 'doubtful' end
redis.call('HSET', KEYS[1], 'state', 'running', 'order', ARGV[2], 'acks_late', ARGV[3])
redis.call('INCR', KEYS[1] .. ':alive')
redis.call('PEXPIRE', KEYS[1] .. ':alive', redis.call('HGET', KEYS[1], 'heartbeat_ms'))
return 'run'
"""

# A move: ARGV = run, the states it may come from, the new state, the order that the mover has ('' for any).
MOVE = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state or redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
if not string.find(',' .. ARGV[2] .. ',', ',' .. state .. ',', 1, true) then return 0 end
if ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'order') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'failed', ARGV[5])
if state == 'running' then redis.call('DEL', KEYS[1] .. ':alive') end
return 1
"""


class TaskState(StrEnum):
    SENDING = "sending"  # its message may or may not be with the broker
    SENT = "sent"  # queued, or in the countdown of one of Celery's own retries
    RUNNING = "running"
    RELEASED = "released"  # its body raised Ignore: somebody else will store the result
    FINISHED = "finished"
    CANCELLED = "cancelled"  # before it ran; it never will


class Start(StrEnum):
    RUN = "run"
    DROP = "drop"
    DOUBTFUL = "doubtful"  # the record says that it runs elsewhere: true, or the other died a moment ago


@dataclass(frozen=True, slots=True)
class TaskRecord:
    state: TaskState | None
    run: int
    failed: bool
    acks_late: bool
    progress: bytes | None
    alive: bool


OPEN = f"{TaskState.SENDING},{TaskState.SENT},{TaskState.RUNNING},{TaskState.RELEASED}"


class TaskClaims:
    """`kept` is how long a record outlives its last claim: longer than any task, its queueing included."""

    def __init__(self, redis: Redis, *, prefix: str = "celery-task:", kept: timedelta = timedelta(days=7)) -> None:
        self._redis = redis
        self._prefix = prefix
        self._kept_ms = int(kept.total_seconds() * 1000)
        self._claim = redis.register_script(CLAIM)
        self._start = redis.register_script(START)
        self._move = redis.register_script(MOVE)

    @classmethod
    def at(cls, url: str) -> Self:
        """Claims in the Redis at `url`, which is connected to when it is first needed."""
        return cls(Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2))

    def claim(self, by: AwaitedBy) -> tuple[str, TaskState]:
        """The task's id and state; SENDING asks the caller to send it, for the first time or again."""
        answer = self._claim(
            keys=[self._prefix + by.key],
            args=[
                self._kept_ms,
                by.workflow_id,
                by.run_id,
                by.activity_id,
                int(by.retry_failures),
                int(by.heartbeat_timeout.total_seconds() * 1000),
            ],
        )
        run, state = cast("tuple[int, bytes]", answer)
        return task_id_of(by.key, run), TaskState(state.decode())

    def awaited_by(self, task_id: str) -> AwaitedBy | None:
        known = key_and_run(task_id)
        if known is None:
            return None
        fields = ["workflow_id", "run_id", "activity_id", "retry_failures", "heartbeat_ms", "run"]
        found = cast("list[bytes | None]", self._redis.hmget(self._prefix + known[0], fields))
        if None in found or int(cast("bytes", found[5])) != known[1]:
            return None
        workflow_id, run_id, activity_id, retry, heartbeat_ms, _ = (cast("bytes", value).decode() for value in found)
        return AwaitedBy(
            workflow_id=workflow_id,
            run_id=run_id,
            activity_id=activity_id,
            retry_failures=retry == "1",
            heartbeat_timeout=timedelta(milliseconds=int(heartbeat_ms)),
        )

    def start(self, task_id: str, *, order: int, acks_late: bool, sure: bool = False) -> Start:
        """May this copy of the message run? `sure`: the caller has seen that nobody else runs it."""
        key, run = self._place(task_id)
        answer = self._start(keys=[key], args=[run, order, int(acks_late), int(sure)])
        return Start(cast("bytes", answer).decode())

    def sent(self, task_id: str) -> bool:
        return self._moved(task_id, TaskState.SENDING, TaskState.SENT)

    def waits_again(self, task_id: str, order: int, state: TaskState) -> bool:
        """From RUNNING to SENT (Celery retries it) or RELEASED, unless a later copy runs already."""
        return self._moved(task_id, TaskState.RUNNING, state, order=str(order))

    def finish(self, task_id: str, *, failed: bool) -> bool:
        return self._moved(task_id, OPEN, TaskState.FINISHED, failed=failed)

    def cancel(self, task_id: str) -> bool:
        """False when it runs already, or has ended."""
        return self._moved(task_id, f"{TaskState.SENDING},{TaskState.SENT}", TaskState.CANCELLED)

    def pulse(self, task_id: str, by: AwaitedBy) -> None:
        key = self._place(task_id)[0] + ":alive"
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.incr(key)
            pipeline.pexpire(key, by.heartbeat_timeout)
            pipeline.execute()

    def pulses(self, task_id: str) -> bytes | None:
        """A value that changes with every pulse; None when the last one is too long ago."""
        return cast("bytes | None", self._redis.get(self._place(task_id)[0] + ":alive"))

    def nobody_will_deliver_again(self, task_id: str) -> None:
        self._redis.hset(self._place(task_id)[0], "acks_late", "0")

    def progress(self, task_id: str, details: str) -> None:
        self._redis.hset(self._place(task_id)[0], "progress", details)

    def look(self, task_ids: Sequence[str]) -> list[TaskRecord]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in [self._place(task_id)[0] for task_id in task_ids]:
                pipeline.hmget(key, ["state", "run", "failed", "acks_late", "progress"])
                pipeline.exists(key + ":alive")
            answers = pipeline.execute()
        return [_record(fields, bool(alive)) for fields, alive in zip(answers[::2], answers[1::2], strict=True)]

    def _moved(self, task_id: str, source: str, target: TaskState, *, order: str = "", failed: bool = False) -> bool:
        key, run = self._place(task_id)
        return bool(self._move(keys=[key], args=[run, source, target, order, int(failed)]))

    def _place(self, task_id: str) -> tuple[str, int]:
        known = key_and_run(task_id)
        if known is None:
            raise ValueError(f"no workflow waits for the task {task_id}")
        return self._prefix + known[0], known[1]


def _record(fields: list[bytes | None], alive: bool) -> TaskRecord:
    state, run, failed, acks_late, progress = fields
    return TaskRecord(
        state=TaskState(state.decode()) if state else None,
        run=int(run or 1),
        failed=failed == b"1",
        acks_late=acks_late == b"1",
        progress=progress,
        alive=alive,
    )
