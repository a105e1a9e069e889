"""What Flower sees of tasks, in events and in what workers tell, has no addresses, letters or card tokens."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from services.estate.mails import SEND_EMAIL
from services.estate.task_names import PLACE_ORDER, PROCESS_VIDEO
from tests.support.api_bodies import ORDER, changed
from tests.support.celery_workers import CeleryEstate, celery_estate
from tests.support.waiting import eventually

NOWHERE = "127.0.0.1:9"
ADDRESS, LETTER, TOKEN, STREET = "ana@example.com", "a private letter", "tok_visa", "Avenida Private 1000"
PERSONAL = (ADDRESS, LETTER, TOKEN, STREET)
VIDEO = "0b1f5e9a-3f0e-4d5e-9f6b-111111111111"


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CeleryEstate]:
    folder: Path = tmp_path_factory.mktemp("estate")
    with celery_estate(folder, NOWHERE) as estate, estate.worker():
        yield estate


@contextmanager
def events(app: Celery) -> Iterator[list[dict[str, Any]]]:
    """Collect the events that Flower would get."""
    seen: list[dict[str, Any]] = []
    with app.connection_for_read() as connection:
        receiver: Any = app.events.Receiver(connection, handlers={"*": seen.append})
        listening = threading.Thread(target=lambda: receiver.capture(limit=None, timeout=None, wakeup=True))
        listening.start()
        try:
            yield seen
        finally:
            receiver.should_stop = True
            listening.join(10)


def test_events_and_workers_tell_no_arguments_of_mails_and_orders(estate: CeleryEstate) -> None:
    app = estate.app()
    with events(app) as seen:
        eventually(lambda: seen or None, "the worker's heartbeat arrives")
        mail = app.send_task(SEND_EMAIL, [ADDRESS, "Welcome!"], kwargs={"body": LETTER})
        order = app.send_task(PLACE_ORDER, [changed(ORDER, "shipping_address.street", STREET)])
        video = app.send_task(PROCESS_VIDEO, [VIDEO])
        of = {each.id: each for each in (mail, order, video)}
        eventually(
            lambda: (
                {(mail.id, "task-retried"), (order.id, "task-received"), (video.id, "task-failed")}
                <= {(each.get("uuid"), each["type"]) for each in seen}
            ),
            "the mail is retried, since there is no mail server, and the video is unknown",
        )
        inspect = app.control.inspect(timeout=10, limit=1)  # without the limit it always waits that long
        waiting = eventually(lambda: next(iter((inspect.scheduled() or {}).values()), None), "the retry is scheduled")
        told = json.dumps([seen, waiting, inspect.active(), inspect.reserved()], default=str)

    assert [text for text in PERSONAL if text in told] == []
    received = {each["uuid"]: each["args"] for each in seen if each["type"] == "task-received" and each["uuid"] in of}
    assert received == {mail.id: "(...)", order.id: "(...)", video.id: f"['{VIDEO}']"}
    app.close()
