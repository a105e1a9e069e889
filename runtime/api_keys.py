"""API keys outside of the API: for `twinsaga keys`, for the embedded stack, and for the check before the API starts."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import structlog

from adapters.clock import utc_now
from adapters.sql.access import SqlApiKeys
from messaging.errors import Fault
from messaging.sql.database import Database
from runtime.errors import CannotRun
from runtime.settings import PREFIX, Settings
from services.access.keys import ApiKeys
from services.names import DATABASE_OF, ORDER_SERVICE

log = structlog.get_logger(__name__)


@contextmanager
def open_api_keys(settings: Settings) -> Iterator[ApiKeys]:
    """Open the database of the Order service, which contains them."""
    url = settings.database_url(DATABASE_OF[ORDER_SERVICE])
    with closing(Database.open(url, service=ORDER_SERVICE)) as database:
        yield SqlApiKeys(database, utc_now)


def refuse_to_start_open(settings: Settings) -> None:
    """Raises CannotRun: production needs a key and a secret for signatures. Without them the API serves nobody."""
    if settings.environment != "production":
        return
    if settings.webhook_secret is None:
        raise CannotRun(
            f"{PREFIX}WEBHOOK_SECRET must be set in production: with it the payment gateway signs its calls"
        )
    try:
        with open_api_keys(settings) as keys:
            valid = any(key.revoked_at is None for key in keys.every())
    except Fault as away:
        # No reason to refuse: while the keys cannot be read, nobody gets in.
        log.warning("API keys not checked before the start", error=str(away))
        return
    if not valid:
        raise CannotRun("there is no API key, and production needs one: make it with `twinsaga keys make --help`")
