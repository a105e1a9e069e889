"""Records where consumers began, by partition. A row that its owner did not remove belongs to a process that died."""

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import delete, select, tuple_

from messaging.sql.database import Database
from messaging.sql.dialects import inserting
from messaging.sql.journal_tables import attempted
from twinsaga_bridges.kafka.isolation import Attempt

_PARTITION = tuple_(attempted.c.topic, attempted.c.partition)


class Attempts:
    """Every method raises DatabaseFault while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, topic: str, partition: int) -> Attempt | None:
        wanted = select(attempted).where(attempted.c.topic == topic, attempted.c.partition == partition)
        with self._database.reading() as connection:
            row = connection.execute(wanted).mappings().first()
        return Attempt(**row) if row is not None else None

    def begin(self, attempt: Attempt) -> None:
        """Replaces the partition's row."""
        statement = inserting(self._database.url.get_backend_name(), attempted)
        changes = {"offset": statement.excluded.offset, "times": statement.excluded.times}
        self._database.change(
            statement.on_conflict_do_update(index_elements=["topic", "partition"], set_=changes), asdict(attempt)
        )

    def end(self, partitions: Collection[tuple[str, int]]) -> None:
        self._database.change(delete(attempted).where(_PARTITION.in_(list(partitions))))
