from collections.abc import Iterable

from domain.errors import Fault
from runtime.errors import CannotRun
from runtime.settings import Settings
from services.names import DATABASES


def migrate_databases(settings: Settings, services: Iterable[str] = DATABASES) -> None:
    """Bring these databases, by default those of all services and of the gateway, to the newest revision.

    Raises:
        CannotRun: one of them does not answer.
    """
    from adapters.sql.migrations import migrate  # noqa: PLC0415 - SQLAlchemy loads while the engines start

    for service in services:
        try:
            migrate(settings.database_url(service), service)
        except Fault as fault:
            raise CannotRun(f"the database of {service} could not be migrated: {fault}") from fault
