from collections.abc import Iterable
from pathlib import Path

from messaging.errors import Fault
from runtime.errors import CannotRun, WrongVersion
from runtime.settings import Settings
from services.names import DATABASES


def migrate_databases(settings: Settings, services: Iterable[str] = DATABASES) -> None:
    """Raises WrongVersion: another version of twinsaga has migrated one of them; CannotRun: one does not answer."""
    from adapters.sql.migrations import UnknownRevision, migrate  # noqa: PLC0415 - SQLAlchemy loads while engines start

    for service in services:
        url = settings.database_url(service)
        try:
            migrate(url, service)
        except UnknownRevision as unknown:
            raise WrongVersion(f"{unknown}: {_remedy(url)}") from unknown
        except Fault as fault:
            raise CannotRun(f"the database of {service} could not be migrated: {fault}") from fault


def _remedy(url: str) -> str:
    if url.startswith("sqlite"):
        again = f"delete the data folder {Path(url.partition(':///')[2]).parent}"
    else:
        again = "drop the database and create an empty one"
    return f"run the version that migrated it, or {again} and start again"
