"""The Celery worker loses no message when it dies, and sends a mail once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from temporalio.client import Client

from domain.ids import OrderId
from domain.order import SagaStyle
from runtime.temporal import saga_status
from runtime.wiring import Databases, services_over
from services.intake.order_body import place_order_command, read_order
from services.orders.store import OrderFilter
from services.sealing import UNSEALED
from tests.support.api_bodies import PAIR
from tests.support.celery_workers import QUEUE, CeleryEstate, celery_estate, kill, seconds_until
from tests.support.hostile_celery_messages import task_message
from tests.support.ports import free_port
from tests.support.temporal_servers import real_server
from tests.support.waiting import eventually, soon

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

SEND_EMAIL, PROCESS_VIDEO = "twinsaga.send_email", "twinsaga.process_video"
PLACE_ORDER = "twinsaga.place_order"
COUNTDOWN_S = 15
"""Long enough to replace three workers, on an idle machine."""


class SlowMailServer:
    """Answers after a second, so that two copies of a task meet."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = bytes(envelope.content or b"").decode()  # type: ignore[arg-type] # never text
        self.subjects.append(next(line for line in content.splitlines() if line.startswith("Subject: "))[9:])
        await asyncio.sleep(1)
        return "250 OK"


@pytest.fixture(scope="module")
def mails() -> SlowMailServer:
    return SlowMailServer()


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, mails: SlowMailServer) -> Iterator[CeleryEstate]:
    port = free_port()
    server = Controller(mails, hostname="127.0.0.1", port=port)
    server.start()
    try:
        with celery_estate(tmp_path_factory.mktemp("estate"), f"127.0.0.1:{port}") as estate:
            yield estate
    finally:
        server.stop()


def test_the_messages_of_a_killed_worker_are_back_within_a_minute(estate: CeleryEstate) -> None:
    task_id = uuid4().hex
    with estate.worker() as first, estate.app() as app:
        app.send_task(PROCESS_VIDEO, [task_id], task_id=task_id, countdown=3600)
        eventually(lambda: estate.held(task_id), "the first worker has taken it")
        with estate.worker():
            kill(first)
            assert seconds_until(lambda: estate.held(task_id, redelivered=True), "the second one has it") < 60


def test_a_worker_that_was_killed_alone_gets_its_messages_back(estate: CeleryEstate) -> None:
    task_id = uuid4().hex
    with estate.app() as app:
        with estate.worker():
            app.send_task(PROCESS_VIDEO, [task_id], task_id=task_id, countdown=3600)
            eventually(lambda: estate.held(task_id), "it has taken it")
        with estate.worker():
            assert seconds_until(lambda: estate.held(task_id, redelivered=True), "the next one has it") < 60


def test_a_mail_whose_message_is_delivered_twice_is_sent_once(estate: CeleryEstate, mails: SlowMailServer) -> None:
    task_id = uuid4().hex
    with estate.worker(), estate.app() as app:
        copies = [task_message(SEND_EMAIL, args=["ana@example.com", task_id, "Hello"], id=task_id) for _ in range(4)]
        estate.broker.lpush(QUEUE, *copies)
        assert app.AsyncResult(task_id).get(timeout=60)
        # Queued after the copies, by which time all of them have run.
        app.send_task(SEND_EMAIL, ["ana@example.com", "last", "Hello"], countdown=5).get(timeout=60)
    assert mails.subjects.count(task_id) == 1


def test_a_mail_that_is_revoked_in_its_countdown_is_not_sent_by_the_next_worker(
    estate: CeleryEstate, mails: SlowMailServer
) -> None:
    task_id, arguments = uuid4().hex, ["ana@example.com", "revoked", "Hello"]
    with estate.app() as app:
        with estate.worker():
            result = app.send_task(SEND_EMAIL, arguments, task_id=task_id, countdown=3600)
            result.revoke()
            eventually(lambda: str(result.state) == "REVOKED", "it is revoked")
        app.send_task(SEND_EMAIL, arguments, task_id=task_id)
        with estate.worker():
            app.send_task(SEND_EMAIL, ["ana@example.com", "after it", "Hello"]).get(timeout=60)
    assert "revoked" not in mails.subjects


async def test_in_a_rolling_restart_a_revoked_order_is_not_placed_and_every_other_task_runs_once(
    estate: CeleryEstate, mails: SlowMailServer
) -> None:
    """Three workers are replaced one after another while they hold tasks with a countdown; the second is killed."""
    revoked, *orders = task_ids = [uuid4().hex for _ in range(5)]
    subjects = [uuid4().hex for _ in range(7)]
    async with await real_server() as temporal:
        address = temporal.client.service_client.config.target_host
        with ExitStack() as stack, estate.app() as app:
            workers = [stack.enter_context(estate.worker(address)) for _ in range(3)]
            for task_id in task_ids:
                app.send_task(PLACE_ORDER, [PAIR], task_id=task_id, countdown=COUNTDOWN_S)
            for subject in subjects:
                mail = ["ana@example.com", subject, "Hello"]
                app.send_task(SEND_EMAIL, mail, task_id=subject, countdown=COUNTDOWN_S)
            eventually(lambda: all(map(estate.held, [*task_ids, *subjects])), "the workers hold all of them")
            app.control.revoke(revoked)
            eventually(lambda: str(app.AsyncResult(revoked).state) == "REVOKED", "it is revoked")
            for worker, how in zip(workers, (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM), strict=True):
                stack.enter_context(estate.worker(address))
                worker.send_signal(how)
                worker.wait(30)

            eventually(lambda: set(subjects) <= set(mails.subjects), "every mail is sent")
            for task_id in orders:
                started = partial(saga_is_started, temporal.client, order_of(task_id))
                await soon(started, bool)
            left = partial(estate.held, redelivered=None)
            eventually(lambda: not any(map(left, [*task_ids, *subjects])), "no task is left")
            # Queued after what was given back to the queue meanwhile.
            app.send_task(SEND_EMAIL, ["ana@example.com", "after the restart", "Hello"]).get(timeout=60)
            eventually(lambda: not any(map(left, [*task_ids, *subjects])), "no task is left")
        assert not await saga_is_started(temporal.client, order_of(revoked))
    assert [mails.subjects.count(subject) for subject in subjects] == [1] * len(subjects)
    assert placed_orders(estate) == {order_of(task_id) for task_id in orders}


def order_of(task_id: str) -> OrderId:
    order = read_order(PAIR)
    return place_order_command(order, SagaStyle.ORCHESTRATED, UNSEALED, scope="celery", key=task_id).request.order_id


async def saga_is_started(temporal: Client, order_id: OrderId) -> bool:
    return await saga_status(temporal, order_id) is not None


def placed_orders(estate: CeleryEstate) -> set[OrderId]:
    with closing(Databases.open(estate.settings)) as databases:
        page = services_over(databases, publish=False).orders.page(OrderFilter(limit=100))
        return {record.request.order_id for record in page}
