"""Reads the counters of the embedded stack: CPU time of processes, commits of databases, records of the broker."""

import asyncio
import os
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from comparison.child_processes import process_ids
from comparison.stack import ENGINE_DATABASE, SERVICE_DATABASES, Reading
from domain.ids import OrderId
from services.names import GATEWAY
from services.vocabulary import TOPICS
from workflows.order_saga import workflow_id

T = TypeVar("T")

RPC_TIMEOUT = timedelta(seconds=10)
READ_DEADLINE_S = 5.0
EMPTY_POLL_MS = 50
"""Longer than several fetches: a poll that returns nothing within it has reached the end."""

STATE, PARENT, USER_TICKS, SYSTEM_TICKS = 0, 1, 11, 12
"""Positions of these fields in the result of `stat_fields`."""

_CHANGES_AT = 8
"""Offset of iChange in the WAL-index header: it counts writing commits (https://sqlite.org/walformat.html)."""
_HEADER_BYTES = 48


class StackMeter:
    """`folder` has the stack's data. A missing process, or a broker that does not answer, is left out of a reading."""

    def __init__(self, folder: Path, temporal: Client, kafka: KafkaConsumer) -> None:
        self._folder = folder
        self._temporal = temporal
        self._kafka = kafka
        self._next: dict[TopicPartition, int] = {}

    async def read(self) -> Reading:
        return await asyncio.to_thread(self._read)

    async def history_events(self, order_id: OrderId) -> int:
        """Return the events in the history of the order's saga workflow; 0 if it has no workflow."""
        try:
            described = await self._temporal.get_workflow_handle(workflow_id(order_id)).describe(
                rpc_timeout=RPC_TIMEOUT
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return 0
            raise
        return described.history_length

    def _read(self) -> Reading:
        pids = process_ids(self._folder)
        databases = (*SERVICE_DATABASES, GATEWAY, ENGINE_DATABASE)
        return Reading(
            at=time.monotonic(),
            pids=pids,
            cpu=_known({name: cpu_seconds(pid) for name, pid in pids.items()}),
            commits=_known({name: commits(self._folder / f"{name}.db") for name in databases}),
            records=self._records(),
        )

    def _records(self) -> dict[str, int]:
        with suppress(KafkaError):
            # The embedded broker reports where the last batch of a partition begins, not the partition's end. So the
            # records have to be read to be counted.
            self._read_new_records()
            return {topic: sum(end for at, end in self._next.items() if at.topic == topic) for topic in TOPICS}
        return {}

    def _read_new_records(self) -> None:
        if not self._next:
            # The first reading: begin with the oldest record of every partition.
            numbers = {topic: self._kafka.partitions_for_topic(topic) or () for topic in TOPICS}
            self._next = {TopicPartition(topic, number): 0 for topic in TOPICS for number in numbers[topic]}
            self._kafka.assign(list(self._next))
            self._kafka.seek_to_beginning()
        ends = self._kafka.end_offsets(list(self._next))
        deadline = time.monotonic() + READ_DEADLINE_S
        while time.monotonic() < deadline:
            batches = self._kafka.poll(timeout_ms=EMPTY_POLL_MS)
            self._next |= {partition: records[-1].offset + 1 for partition, records in batches.items()}
            # An empty poll alone may only mean that a fetch was slow.
            if not batches and all(self._next[partition] >= end for partition, end in ends.items()):
                return
        raise KafkaTimeoutError(f"the records were not read within {READ_DEADLINE_S} s")


def stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat behind the program's name (proc(5)). None if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a process in seconds. None if it is gone, or if the system has no /proc."""
    fields = stat_fields(pid)
    if fields is None:
        return None
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")


def is_running(pid: int) -> bool:
    """A zombie does not run: only its supervisor has yet to reap it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    fields = stat_fields(pid)
    if fields is None:
        return not Path("/proc/self").exists()  # a system without /proc, where os.kill has found the process
    return fields[STATE] != "Z"


def commits(database: Path) -> int | None:
    """Writing commits of a SQLite database in WAL mode since it was first opened; None if no process has it open."""
    try:
        with database.with_name(f"{database.name}-shm").open("rb") as index:
            header = index.read(_HEADER_BYTES)
    except OSError:
        return None
    # The file is shorter while SQLite creates it.
    if len(header) < _HEADER_BYTES:
        return None
    changes: int = struct.unpack_from("=I", header, _CHANGES_AT)[0]
    return changes


def _known(counts: Mapping[str, T | None]) -> dict[str, T]:
    return {name: count for name, count in counts.items() if count is not None}
