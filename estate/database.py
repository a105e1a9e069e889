from adapters.clock import utc_now
from adapters.sql.estate import Estate
from messaging.sql.database import Database
from runtime.settings import Settings


def open_estate(settings: Settings) -> tuple[Estate, Database]:
    """The caller closes the database."""
    database = Database.open(settings.database_url("estate"), service="estate")
    return Estate(database, utc_now), database
