"""Alembic runs this module. The transaction is the caller's; NAMES names keys and indexes."""

from alembic import context
from sqlalchemy import MetaData

from messaging.sql.dialects import NAMES

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=MetaData(naming_convention=NAMES))
with context.begin_transaction():
    context.run_migrations()
