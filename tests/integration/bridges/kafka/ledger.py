"""A workflow that records the numbers it receives."""

from dataclasses import dataclass
from typing import Any

from temporalio import workflow


@dataclass(frozen=True)
class Entry:
    number: int


@workflow.defn
class Ledger:
    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._closed = False

    @workflow.run
    async def run(self, _opened_by: dict[str, Any]) -> list[int]:
        await workflow.wait_condition(lambda: self._closed)
        return self._numbers

    @workflow.signal
    async def write(self, entry: Entry) -> None:
        self._numbers.append(entry.number)

    @workflow.signal
    async def close(self, _data: dict[str, Any]) -> None:
        self._closed = True

    @workflow.update
    async def correct(self, entry: Entry) -> int:
        self._numbers.append(entry.number)
        return len(self._numbers)

    @correct.validator
    def _no_negative(self, entry: Entry) -> None:
        if entry.number < 0:
            raise ValueError("no negative entry")

    @workflow.query
    def numbers(self) -> list[int]:
        return self._numbers
