"""What the bridges must refuse is refused before the user's function runs: it may write."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from temporalio.client import Client

from processes.kafka_bridge.routes import REQUESTED, EstateRoutes, topics_read
from runtime.settings import Settings
from runtime.wiring import Services
from services.orders.store import OrderFilter
from services.sealing import UNSEALED
from tests.support.api_bodies import PAIR
from twinsaga_bridges.celery.answered_task import LARGEST_REQUEST
from twinsaga_bridges.celery_into_workflow import ClientPerProcess, StartWorkflow, TasksAnsweredByWorkflows
from twinsaga_bridges.kafka.dispatch import LONGEST_ID, Delivery
from twinsaga_bridges.kafka.faults import AWAY, Undeliverable
from twinsaga_bridges.kafka_into_workflow import (
    IncomingEvent,
    KafkaRecord,
    Route,
    Unreadable,
    recorded_trace,
    traceparent_of,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def delivery() -> Delivery:
    """Its client connects at the first call, which these tests never reach."""
    return Delivery(await Client.connect("127.0.0.1:9", lazy=True), calls=1, away=AWAY, trace=recorded_trace)


def record(key: bytes = b"", **headers: Any) -> KafkaRecord:  # noqa: ANN401 - Kafka allows headers without a value
    return KafkaRecord(
        topic=REQUESTED,
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=key,
        value=json.dumps(PAIR).encode(),
        headers=tuple(headers.items()),
    )


def event_of(record: KafkaRecord, event_id: str = "e-1") -> IncomingEvent:
    return IncomingEvent(id=event_id, type="t", key="k", data={}, record=record)


@pytest.mark.parametrize("event_id", ["x" * (LONGEST_ID + 1), "é" * (LONGEST_ID // 2 + 1), "\ud800", ""])
async def test_an_event_with_an_unusable_id_reaches_no_route(delivery: Delivery, event_id: str) -> None:
    chosen: list[IncomingEvent] = []

    async def choose(event: IncomingEvent) -> Route | None:
        chosen.append(event)
        return None

    with pytest.raises((Undeliverable, Unreadable)):
        await delivery.deliver(event_of(record(), event_id), choose)
    await delivery.deliver(event_of(record(), "x" * LONGEST_ID), choose)

    assert len(chosen) == 1


async def test_an_order_request_with_a_key_that_is_too_long_is_no_order(delivery: Delivery, services: Services) -> None:
    routes = EstateRoutes(settings=Settings(), services=services, seals=UNSEALED).table()
    event = topics_read(Settings())[REQUESTED](record(b"k" * LONGEST_ID))

    with pytest.raises(Undeliverable, match="1015 bytes"):
        await delivery.deliver(event, routes[REQUESTED])

    assert services.orders.page(OrderFilter(limit=1)) == []


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (TRACE.encode(), TRACE),
        (b"\xff\xfe", None),
        (b"0" * 3_000_000, None),
        (TRACE.encode() + b"\n", None),
        (b"", None),
        (None, None),
    ],
)
def test_an_invalid_trace_context_counts_as_none(header: bytes | None, read: str | None) -> None:
    assert traceparent_of(event_of(record(ce_traceparent=header))) == read
    assert traceparent_of(event_of(record(traceparent=header))) == read
    assert traceparent_of(event_of(record())) is None


class NoClient(ClientPerProcess):
    """Fails the test if a task gets as far as Temporal."""

    def __init__(self) -> None:
        pass

    def call(self, *_: object, **__: object) -> Any:  # noqa: ANN401
        pytest.fail("the task reached Temporal")


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("callers", broker="memory://", backend="redis://127.0.0.1:1", set_as_current=False)
    yield app
    app.close()


def test_a_task_that_no_workflow_can_answer_does_not_choose_one(app: Celery) -> None:
    chosen: list[str] = []

    @TasksAnsweredByWorkflows(app, NoClient()).task(name="place")
    def place(order: str) -> StartWorkflow:
        chosen.append(order)
        return StartWorkflow(workflow="OrderSaga", args=[order], task_queue="sagas")

    with pytest.raises(RuntimeError, match="call it with delay"):
        place("called directly")
    with pytest.raises(RuntimeError, match="call it with delay"):
        place.apply(("eager",)).get()
    task: Any = place  # its types do not know the fields of a request
    task.push_request(id="task-1", called_directly=False, headers={"note": "x" * LARGEST_REQUEST})
    try:
        with pytest.raises(ValueError, match="more than the 2031616 of a workflow"):
            task.run("too large")
    finally:
        task.pop_request()

    assert chosen == []
