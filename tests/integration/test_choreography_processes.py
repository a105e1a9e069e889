"""Services as processes: killed in the middle of a batch, scaled while orders run, and without Temporal's library."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from domain.ids import OrderId
from services.orders.store import Stage
from tests.support.broker import Broker
from tests.support.choreography_in_threads import OPENERS, Choreography
from tests.support.faulty_databases import locked
from tests.support.service_processes import ServiceProcess, ServiceProcesses
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

UNDER_WAY = 30
"""Maximum concurrent orders, so that a slow machine does not fall further and further behind."""

NO_TEMPORAL = """
import sys


class NoTemporal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "temporalio":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NoTemporal())
"""

DEADLY = """
import os

import messaging.kafka.cloudevents as cloudevents

read = cloudevents.from_message


def dies(vocabulary, key, value, headers):
    if key == b"deadly":
        os._exit(9)
    return read(vocabulary, key, value, headers)


cloudevents.from_message = dies
"""


@pytest.fixture
def processes(choreography: Choreography, tmp_path: Path) -> Iterator[ServiceProcesses]:
    processes = ServiceProcesses(tmp_path, choreography.settings())
    try:
        yield processes
    finally:
        processes.close()


def assert_each_order_was_paid_once(choreography: Choreography, orders: Sequence[OrderId]) -> None:
    for order_id in orders:
        assert choreography.await_end(order_id, 60.0).stage is Stage.CONFIRMED
        assert Counter(choreography.timeline(order_id)).most_common(1)[0][1] == 1
    payments = choreography.database_of("payment-service")
    with payments.reading() as connection:
        rows = connection.exec_driver_sql("SELECT captured FROM payments").scalars().all()
    assert rows == [2_500] * len(orders)
    choreography.await_books_right()


def is_handling_together(member: ServiceProcess) -> bool:
    """Return whether this is the last line of its log. Each later action on the messages, also parking, logs a line."""
    lines = member.log.read_text().splitlines()
    return bool(lines) and "handling together" in lines[-1]


def test_after_a_kill_in_the_middle_of_a_batch_no_message_is_lost_or_handled_twice(
    choreography: Choreography, processes: ServiceProcesses
) -> None:
    choreography.start("inventory-service", "shipping-service")
    victim, other = (processes.start("payment-service", TWINSAGA_LOG_LEVEL="DEBUG") for _ in range(2))
    for member in (victim, other):
        member.await_joined()
    orders = [choreography.place() for _ in range(60)]

    with locked(choreography.database_url("gateway")):  # it takes calls, and answers none of them
        choreography.start("order-service")  # which now publishes all of them together
        for member in (other, victim):
            eventually(partial(is_handling_together, member), "it has many messages in hand, and no answer")
        victim.kill()

    assert_each_order_was_paid_once(choreography, orders)
    assert other.stop() == 0


def test_scaling_under_load_loses_no_message_and_handles_none_twice(
    choreography: Choreography, processes: ServiceProcesses
) -> None:
    choreography.start("order-service", "inventory-service", "shipping-service")
    first = processes.start("payment-service")
    first.await_joined()
    enough = threading.Event()
    orders: list[OrderId] = []

    def place() -> None:
        while not enough.wait(0.05):
            if len(orders) >= UNDER_WAY:
                choreography.await_end(orders[-UNDER_WAY], 60.0)
            orders.append(choreography.place())

    def await_later_orders(count: int) -> None:
        """Wait for the ends of this many orders that are placed from now on: their members have joined again.

        A member that leaves before that, in the middle of a rebalance, wedges the embedded broker's group for good.
        """
        before = len(orders)
        eventually(lambda: len(orders) >= before + count, f"{count} more orders are placed", 60.0)
        for order_id in orders[before : before + count]:
            choreography.await_end(order_id, 60.0)

    customer = threading.Thread(target=place)
    customer.start()
    try:
        await_later_orders(5)
        more = [processes.start("payment-service") for _ in range(2)]
        for member in more:
            member.await_joined()
        await_later_orders(20)
        assert first.stop() == 0
        await_later_orders(20)
        assert more[0].stop() == 0
        await_later_orders(10)
    finally:
        enough.set()
        customer.join(30)

    assert_each_order_was_paid_once(choreography, orders)
    assert more[1].stop() == 0


def test_a_message_that_kills_its_process_is_isolated_after_three_deaths(
    choreography: Choreography, processes: ServiceProcesses, broker: Broker, tmp_path: Path
) -> None:
    deadly = tmp_path / "deadly"
    deadly.mkdir()
    (deadly / "sitecustomize.py").write_text(DEADLY)
    choreography.start("order-service", "inventory-service", "shipping-service")
    broker.topic("orders").put(
        b"{}", b"deadly", [("ce_type", b"order.created"), ("ce_source", b"/twinsaga/order-service")]
    )
    orders = [choreography.place() for _ in range(10)]

    for _ in range(3):
        victim = processes.start("payment-service", PYTHONPATH=str(deadly))
        assert victim.process.wait(60) == 9
    survivor = processes.start("payment-service", PYTHONPATH=str(deadly))

    assert_each_order_was_paid_once(choreography, orders)
    (letter,) = broker.topic("orders.dlq").await_messages(1)
    assert (letter.key, dict(letter.headers)["dead_letter_error"]) == (b"deadly", b"KillsItsProcess")
    assert survivor.stop() == 0


def test_the_choreography_runs_without_the_temporal_library(
    choreography: Choreography, processes: ServiceProcesses, tmp_path: Path
) -> None:
    blocker = tmp_path / "no_temporal"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(NO_TEMPORAL)
    variables = {"PYTHONPATH": str(blocker), "TWINSAGA_WITNESS_ENABLED": "false"}
    assert _imports("temporalio", {}) == 0
    assert _imports("temporalio", variables) != 0

    members = [processes.start(name, **variables) for name in OPENERS]
    for member in members:
        member.await_joined()
    confirmed, cancelled = choreography.place(), choreography.place(postal_code="00000")

    assert choreography.await_end(confirmed, 60.0).stage is Stage.CONFIRMED
    assert choreography.await_end(cancelled, 60.0).stage is Stage.CANCELLED
    choreography.await_books_right()
    assert [member.stop() for member in members] == [0] * len(members)


def _imports(module: str, variables: dict[str, str]) -> int:
    command = [sys.executable, "-P", "-c", f"import {module}"]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, timeout=60, check=False)  # noqa: S603
    return done.returncode
