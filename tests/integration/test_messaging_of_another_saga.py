"""Two services of a saga that has nothing to do with orders, over a real broker."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from adapters.clock import utc_now
from messaging.kafka.choreographed_service import ChoreographedService, ServiceTiming
from messaging.kafka.topics import TopicShape, dead_letters_of, ensure_topics
from messaging.sql.consuming import ConsumingService
from tests.support.boat_rental import DESK, DOCK, RENTALS, Dock, Units, desk_policies, opened, request_boat, urls_of
from tests.support.broker import Broker
from tests.support.waiting import eventually

STOP_DEADLINE_S = 30


def test_a_service_that_is_killed_after_its_commit_hands_over_no_second_boat(broker: Broker, tmp_path: Path) -> None:
    topics = (*RENTALS.topics, *map(dead_letters_of, RENTALS.topics))
    ensure_topics(broker.connection, TopicShape(partitions=1), 10, topics)
    killed, untouched = str(uuid4()), str(uuid4())
    with urls_of("sqlite", tmp_path, DESK, DOCK) as urls, running_desk(broker, urls[DESK]) as desk:
        command = [sys.executable, "-m", "tests.support.boat_rental_dock", broker.bootstrap, urls[DOCK]]
        command.append(str(tmp_path / "died"))
        request_boat(desk.service_for(None), killed)
        first = subprocess.run(command, check=False, timeout=120)  # noqa: S603 - our own program
        assert first.returncode == -signal.SIGKILL
        second = subprocess.Popen(command)  # noqa: S603 - our own program
        try:
            request_boat(desk.service_for(None), untouched)
            eventually(lambda: closed(desk, killed) and closed(desk, untouched), "both files are closed")
        finally:
            second.terminate()
            second.wait(STOP_DEADLINE_S)

        dock = opened(urls[DOCK], DOCK, Dock, utc_now)
        with dock.service_for(None).units.look() as unit:
            assert [(step.step, step.attempts) for step in unit.steps_of(killed)] == [("hand over", 1)]
            assert [type(recorded.event).__name__ for recorded in unit.events_of(killed)] == ["BoatHandedOver"]
        dock.close()


@contextmanager
def running_desk(broker: Broker, url: str) -> Iterator[ConsumingService[Units]]:
    desk, stop = opened(url, DESK, lambda units: units, utc_now), threading.Event()
    service = ChoreographedService(desk, desk_policies(), broker.connection, ServiceTiming(), utc_now)
    thread = threading.Thread(target=service.run, args=(stop, threading.Event()))
    thread.start()
    try:
        yield desk
    finally:
        stop.set()
        thread.join(STOP_DEADLINE_S)
        desk.close()


def closed(desk: ConsumingService[Units], rental: str) -> bool:
    with desk.service_for(None).look() as unit:
        return [step.step for step in unit.steps_of(rental)] == ["close"]
