"""API keys, and the record of what their callers did: in the Order service's database, which the API is in front of."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update

from adapters.sql.tables import actions, api_keys
from domain.ids import OrderId
from messaging.sql.chunks import CHUNK
from messaging.sql.database import Database
from messaging.unit_of_work import Clock
from services.access.actions import SHOWN, Action
from services.access.keys import ApiKey, Role


class SqlApiKeys:
    """Every method is one transaction. Raises DatabaseFault."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, key_id: str) -> ApiKey | None:
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).mappings().first()
        return _key(row) if row else None

    def add(self, key: ApiKey) -> None:
        with self._database.writing() as connection:
            connection.execute(insert(api_keys), asdict(key) | {"roles": " ".join(sorted(key.roles))})
            connection.commit()

    def every(self) -> Sequence[ApiKey]:
        wanted = select(api_keys).order_by(api_keys.c.made_at, api_keys.c.key_id)
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(wanted).mappings()]

    def revoke(self, key_id: str) -> bool:
        valid = api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None)
        return bool(self._database.change(update(api_keys).where(*valid).values(revoked_at=self._clock())))


class SqlActions:
    """Every method is one transaction. Raises DatabaseFault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, action: Action) -> int:
        with self._database.writing() as connection:
            number: int = connection.execute(insert(actions).returning(actions.c.seq), asdict(action)).scalar_one()
            connection.commit()
        return number

    def refused(self, number: int, error: str) -> None:
        self._database.change(update(actions).where(actions.c.seq == number).values(error=error))

    def of_order(self, order_id: OrderId) -> Sequence[Action]:
        newest = select(actions).where(actions.c.order_id == order_id).order_by(actions.c.seq.desc()).limit(SHOWN)
        with self._database.reading() as connection:
            return [_action(row) for row in reversed(connection.execute(newest).mappings().all())]

    def forget(self, before: datetime) -> int:
        """Delete the actions before that time, a few at a time. Return how many."""
        forgotten = 0
        while True:
            # The numbers grow with time, so the search ends at the first action that is not old.
            oldest = select(actions.c.seq, actions.c.at).order_by(actions.c.seq).limit(CHUNK)
            with self._database.writing() as connection:
                old = [row.seq for row in connection.execute(oldest) if row.at < before]
                connection.execute(delete(actions).where(actions.c.seq.in_(old)))
                connection.commit()
            forgotten += len(old)
            if len(old) < CHUNK:
                return forgotten


def _key(row: RowMapping) -> ApiKey:
    values: dict[str, Any] = dict(row)
    return ApiKey(**values | {"roles": frozenset(map(Role, row["roles"].split()))})


def _action(row: RowMapping) -> Action:
    values: dict[str, Any] = dict(row)
    del values["seq"]
    return Action(**values)
