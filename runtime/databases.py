from runtime.settings import SERVICES, Settings


def migrate_databases(settings: Settings) -> None:
    """Bring the databases of all services and of the gateway to the newest revision."""
    from adapters.sql.migrations import migrate  # noqa: PLC0415 - SQLAlchemy loads while the engines start

    for service in SERVICES:
        migrate(settings.database_url(service), service)
