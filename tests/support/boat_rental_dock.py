"""The dock of the boat rental as a process: `python -m tests.support.boat_rental_dock BOOTSTRAP DATABASE_URL MARKER`.

While the file MARKER is missing, it makes it and kills itself after the first commit, before the offset of the message
is committed.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from adapters.clock import utc_now
from messaging.kafka.choreographed_service import ChoreographedService, Policies, ServiceTiming
from messaging.kafka.connection import KafkaConnection
from tests.support.boat_rental import DOCK, BoatRequested, Dock, opened, when_boat_requested_hand_it_over


def main(bootstrap: str, url: str, marker: Path) -> None:
    def when_boat_requested_hand_it_over_and_die(event: BoatRequested, dock: Dock) -> None:
        when_boat_requested_hand_it_over(event, dock)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    dock = opened(url, DOCK, Dock, utc_now)
    connection = KafkaConnection(bootstrap=bootstrap, session_timeout_ms=6_000)
    policies = Policies(on={BoatRequested: when_boat_requested_hand_it_over_and_die})
    ChoreographedService(dock, policies, connection, ServiceTiming(), utc_now).run(stop, threading.Event())
    dock.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
