"""Faults of a service's database: it is locked, or it rejects each change of a table."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, NullPool, create_engine, inspect, make_url


@contextmanager
def locked(url: str) -> Iterator[None]:
    """While locked, each write waits for five seconds and then fails.

    SQLite has one writer, so one that does nothing is enough. On PostgreSQL every table is locked.
    """
    engine = _engine(url)
    with engine.connect() as holder:
        holder.exec_driver_sql("BEGIN" if _on_postgres(engine) else "BEGIN IMMEDIATE")
        if _on_postgres(engine):
            tables = ", ".join(f'"{name}"' for name in inspect(holder).get_table_names())
            holder.exec_driver_sql(f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
        try:
            yield
        finally:
            holder.exec_driver_sql("ROLLBACK")


@contextmanager
def refusing_changes(url: str, table: str) -> Iterator[None]:
    """Each change of a row of the table raises an integrity error, which a retry does not cure."""
    engine = _engine(url)
    if _on_postgres(engine):
        refuse = f"ALTER TABLE {table} ADD CONSTRAINT refuses CHECK (false) NOT VALID"
        relent = f"ALTER TABLE {table} DROP CONSTRAINT refuses"
    else:
        refuse = f"CREATE TRIGGER refuses BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
        relent = "DROP TRIGGER refuses"
    with engine.connect() as connection:
        connection.exec_driver_sql(refuse)
    try:
        yield
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(relent)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def _on_postgres(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"
