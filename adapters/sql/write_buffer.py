"""Rows of the journal on their way into the database: at once, or with those of other units at the end of a batch.

Nobody reads them before the transaction's end, so that a statement may be for many: one for each row costs more than
all else that a unit does.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, Executable

from adapters.sql.faults import ConcurrentChange

Row = Mapping[str, Any]


class JournalRows(Protocol):
    def add(self, statement: Executable, row: Row) -> None: ...

    def add_once(self, statement: Executable, row: Row, key: Hashable) -> bool:
        """Add a row that the statement, which keeps its row count, leaves alone if it is there. Return False if it was.

        It may return True for one that a concurrent transaction adds; then the transaction fails with ConcurrentChange.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImmediateWriter:
    connection: Connection

    def add(self, statement: Executable, row: Row) -> None:
        self.connection.execute(statement, row).close()

    def add_once(self, statement: Executable, row: Row, key: Hashable) -> bool:  # noqa: ARG002 - the database knows it
        return self.connection.execute(statement, row).rowcount == 1


@dataclass(frozen=True, slots=True)
class BufferedWriter:
    """Of a batch, or of one unit in it: what `others` hold is there already for it."""

    others: "BufferedWriter | None" = None
    _rows: dict[Executable, list[Row]] = field(default_factory=dict)
    _once: dict[tuple[Executable, Hashable], Executable] = field(default_factory=dict)

    def add(self, statement: Executable, row: Row) -> None:
        self._rows.setdefault(statement, []).append(row)

    def add_once(self, statement: Executable, row: Row, key: Hashable) -> bool:
        if self._has(statement, key):
            return False
        self._once[statement, key] = statement
        self.add(statement, row)
        return True

    def take(self, unit: "BufferedWriter") -> None:
        """Take in the rows of a unit that was committed."""
        for statement, rows in unit._rows.items():  # noqa: SLF001 - another of this class
            self._rows.setdefault(statement, []).extend(rows)
        self._once.update(unit._once)  # noqa: SLF001 - the same

    def write(self, connection: Connection) -> None:
        """Raises ConcurrentChange when somebody else has added one meanwhile that was to be added once."""
        once = set(self._once.values())
        for statement, rows in self._rows.items():
            written = connection.execute(statement, rows)
            if statement in once and written.rowcount != len(rows):
                raise ConcurrentChange(f"{len(rows) - written.rowcount} of {len(rows)} rows were there already")
            written.close()

    def _has(self, statement: Executable, key: Hashable) -> bool:
        if (statement, key) in self._once:
            return True
        return self.others is not None and self.others._has(statement, key)  # noqa: SLF001 - another of this class
