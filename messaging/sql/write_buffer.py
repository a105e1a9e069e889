"""Writes journal rows at once, or together with those of other units at the end of a batch.

A unit never reads its own journal rows, so one statement may write those of many units. A statement for each row costs
more than the rest of a unit.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, Executable

from messaging.sql.faults import ConcurrentChange

Row = Mapping[str, Any]


class JournalRows(Protocol):
    def add(self, statement: Executable, row: Row) -> None: ...

    def add_once(self, statement: Executable, row: Row, key: Hashable) -> bool:
        """Add a row unless it exists; return False if it does. `statement` is an INSERT .. ON CONFLICT DO NOTHING.

        The statement must preserve its row count. If a concurrent transaction adds the same row, this may return True,
        and the transaction then fails with ConcurrentChange.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImmediateWriter:
    connection: Connection

    def add(self, statement: Executable, row: Row) -> None:
        self.connection.execute(statement, row).close()

    def add_once(self, statement: Executable, row: Row, key: Hashable) -> bool:  # noqa: ARG002 - the database compares the key
        return self.connection.execute(statement, row).rowcount == 1


@dataclass(frozen=True, slots=True)
class BufferedWriter:
    """Collects the rows of a batch, or of one unit in it. Rows in `batch` count as existing for that unit."""

    batch: "BufferedWriter | None" = None
    _rows: dict[Executable, list[Row]] = field(default_factory=dict)
    _once: set[tuple[Executable, Hashable]] = field(default_factory=set)

    def add(self, statement: Executable, row: Row) -> None:
        self._rows.setdefault(statement, []).append(row)

    def add_once(self, statement: Executable, row: Row, key: Hashable) -> bool:
        row_key = statement, key
        if row_key in self._once or (self.batch is not None and row_key in self.batch._once):  # noqa: SLF001 - same class
            return False
        self._once.add(row_key)
        self.add(statement, row)
        return True

    def take(self, unit: "BufferedWriter") -> None:
        """Add the rows of a committed unit."""
        for statement, rows in unit._rows.items():  # noqa: SLF001 - same class
            self._rows.setdefault(statement, []).extend(rows)
        self._once.update(unit._once)  # noqa: SLF001 - same class

    def write(self, connection: Connection) -> None:
        """Raises ConcurrentChange if another transaction has added one of the `add_once` rows meanwhile."""
        once = {statement for statement, _ in self._once}
        for statement, rows in self._rows.items():
            written = connection.execute(statement, rows)
            if statement in once and written.rowcount != len(rows):
                raise ConcurrentChange(f"{len(rows) - written.rowcount} of {len(rows)} rows exist already")
            written.close()
