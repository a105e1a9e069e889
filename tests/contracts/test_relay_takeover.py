"""After the active relay is killed, the standby holds the lock within seconds."""

import subprocess
import sys

from messaging.sql.outbox import Outbox
from runtime.wiring import Databases
from tests.support.service_databases import Urls
from tests.support.waiting import eventually

TAKEOVER_S = 5.0
_ACTIVE = """
import sys
from messaging.sql.database import Database
from messaging.sql.outbox import Outbox

outbox = Outbox(Database.open(sys.argv[1], service="shipping-service"))
with outbox.relay_lock() as active:
    print("active" if active else "standby", flush=True)
    while True:
        outbox.wait_for_commit(60.0)
"""


def test_a_standby_takes_over_from_a_relay_that_was_killed(urls: Urls, databases: Databases) -> None:
    standby = Outbox(databases.shipping)
    command = [sys.executable, "-P", "-c", _ACTIVE, urls.database_url("shipping")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:  # noqa: S603 - the program above
        try:
            assert relay.stdout is not None
            assert relay.stdout.readline() == "active\n"
            with standby.relay_lock() as too_early:
                assert not too_early
        finally:
            relay.kill()

    def takes_over() -> bool:
        with standby.relay_lock() as active:
            return active

    eventually(takes_over, "the standby is active", TAKEOVER_S)
