"""The spans of messages: each attempt to handle one is in the trace of its order."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Connection, select

from adapters.open_telemetry import OtelTracer
from domain.commands import ChargePayment
from domain.events import Event, InventoryFailed, OrderCreated
from domain.ids import OrderId
from domain.order import Order, Reason
from messaging import tracing
from messaging.events import RecordedEvent
from messaging.kafka.choreographed_service import ServiceTiming, delivery_of
from messaging.kafka.cloudevents import source_of, to_message
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letters import DeadLetters
from messaging.kafka.delivery import Delivery
from messaging.kafka.message import IncomingMessage
from messaging.sql.consuming import ConsumingService
from messaging.sql.database import Database
from messaging.sql.faults import ConcurrentChange
from messaging.sql.journal_tables import event_log
from messaging.sql.write_buffer import BufferedWriter
from processes.choreography.pix_expiry import PixExpiry
from processes.choreography.service import policies_of
from runtime.wiring import Databases, consuming_payments, services_over
from services.payments.service import PIX_EXPIRY, PaymentService
from services.vocabulary import ORDER_EVENTS, SETTLED, SETTLEMENTS, event_id_of
from tests.support.examples import NOON, SettableClock, an_order
from tests.support.service_databases import Urls
from twinsaga_bridges.backoff import Backoff

TIMING = ServiceTiming(attempts=3, backoff=Backoff(first_s=60.0, longest_s=60.0))
_offsets = count()


@pytest.fixture(autouse=True)
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.trace_with(OtelTracer(provider.get_tracer("test")))
    yield exporter
    tracing.trace_with(None)


@pytest.fixture
def payments(urls: Urls, clock: SettableClock) -> Iterator[ConsumingService[PaymentService]]:
    consuming = consuming_payments(urls, clock)
    yield consuming
    consuming.close()


class Buried(DeadLetters):
    def __init__(self) -> None:
        super().__init__(KafkaConnection(bootstrap="127.0.0.1:1"), "payment-service")

    def bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None: ...


@pytest.fixture
def delivery(payments: ConsumingService[PaymentService], clock: SettableClock) -> Delivery:
    return delivery_of(payments, policies_of(payments.name), Buried(), TIMING, clock)


def trace(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


def created(order: Order, traceparent: str | None) -> IncomingMessage:
    return message(OrderCreated(order_id=order.order_id, order=order), traceparent)


def message(event: Event, traceparent: str | None) -> IncomingMessage:
    publisher = ORDER_EVENTS.publisher_of(event.type)
    assert publisher is not None
    recorded = RecordedEvent(
        event_id=event_id_of(event.order_id, event.type), event=event, service=publisher, at=NOON, caused_by=None
    )
    sent = to_message(ORDER_EVENTS.write(recorded), traceparent)
    return incoming(ORDER_EVENTS.topic_of(event.type), sent.key, sent.value, sent.headers)


def incoming(topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> IncomingMessage:
    return IncomingMessage(
        topic=topic, partition=0, offset=next(_offsets), timestamp_ms=0, key=key, value=value, headers=headers
    )


def settlement(order_id: OrderId, traceparent: str) -> IncomingMessage:
    headers = {
        "ce_id": "s-1",
        "ce_source": source_of("gateway"),
        "ce_type": SETTLED,
        "ce_specversion": "1.0",
        "ce_traceparent": traceparent,
    }
    value = f'{{"order_id": "{order_id}"}}'.encode()
    return incoming(SETTLEMENTS, b"any", value, [(name, text.encode()) for name, text in headers.items()])


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    trace_id: int = span.context.trace_id
    return trace_id


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def traces_in_log(database: Database, order_id: OrderId) -> list[str]:
    with database.reading() as connection:
        return [
            traceparent.split("-")[1]
            for (traceparent,) in connection.execute(select(event_log.c.traceparent).where(event_log.c.key == order_id))
        ]


def test_messages_that_share_a_commit_each_show_it_in_the_trace_of_their_order(
    delivery: Delivery, databases: Databases, spans: InMemorySpanExporter
) -> None:
    orders = [an_order(), an_order()]

    list(delivery.handle([created(order, trace(number)) for number, order in enumerate(orders, 1)]))

    for number, order in enumerate(orders, 1):
        (handled,) = [span for span in named(spans, "process order.created") if trace_of(span) == number]
        assert handled.parent is not None
        assert (handled.parent.span_id, events(handled)) == (number, ["committed"])
        assert handled.attributes is not None
        assert handled.attributes["order.id"] == order.order_id
        assert handled.attributes["policy"] == "when_order_created_charge_payment"
        assert traces_in_log(databases.payments, order.order_id) == [f"{number:032x}"]


def test_each_attempt_at_a_parked_message_is_a_span_until_it_is_a_dead_letter(
    delivery: Delivery, clock: SettableClock, spans: InMemorySpanExporter
) -> None:
    order = an_order(token="tok_refundFails")
    list(delivery.handle([created(order, trace(1))]))
    spans.clear()
    list(delivery.handle([message(InventoryFailed(order_id=order.order_id, reason=Reason.OUT_OF_STOCK), trace(1))]))
    for _ in range(2):
        clock.pass_time(timedelta(minutes=2))
        delivery.retry_due([("inventory", 0)])

    attempts = named(spans, "process inventory.failed")
    assert [(span.attributes or {})["saga.attempt"] for span in attempts] == [1, 2, 3]
    # Each counts its attempt in a transaction of its own.
    ends = ("parked", "parked", "dead letter")
    assert [events(span) for span in attempts] == [["committed", end] for end in ends]
    assert {trace_of(span) for span in attempts} == {1}


def test_poison_is_a_dead_letter_in_the_trace_of_its_headers(delivery: Delivery, spans: InMemorySpanExporter) -> None:
    order = an_order()
    sent = created(order, trace(1))

    list(delivery.handle([incoming(sent.topic, sent.key or b"", b"{", sent.headers)]))

    (handled,) = named(spans, "process orders")
    assert (trace_of(handled), events(handled)) == (1, ["dead letter"])
    assert (handled.attributes or {})["order.id"] == order.order_id


def test_a_repeated_message_says_so(delivery: Delivery, spans: InMemorySpanExporter) -> None:
    first, second = created(an_order(), trace(1)), created(an_order(), trace(2))
    list(delivery.handle([first, second]))
    spans.clear()

    list(delivery.handle([first, second]))
    list(delivery.handle([second]))

    again = named(spans, "process order.created")
    assert [trace_of(span) for span in again] == [1, 2, 2]
    assert [events(span) for span in again] == [["handled before"]] * 3


def test_a_settlement_goes_on_in_the_trace_of_its_order_and_links_its_own(
    delivery: Delivery, databases: Databases, spans: InMemorySpanExporter
) -> None:
    order = an_order(pix=True)
    list(delivery.handle([created(order, trace(1))]))

    list(delivery.handle([settlement(order.order_id, trace(7))]))

    (handled,) = named(spans, "process payment.settled")
    assert trace_of(handled) == 1
    assert [link.context.trace_id for link in handled.links] == [7]
    assert (handled.attributes or {})[tracing.STYLE] == "choreographed"
    assert traces_in_log(databases.payments, order.order_id) == [f"{1:032x}"] * 2


def test_the_settlement_of_an_order_that_the_saga_charged_has_no_style(
    delivery: Delivery, databases: Databases, spans: InMemorySpanExporter
) -> None:
    order = an_order(pix=True)
    services_over(databases, publish=False).payments.charge(ChargePayment(order=order))

    list(delivery.handle([settlement(order.order_id, trace(7))]))

    (handled,) = named(spans, "process payment.settled")
    assert tracing.STYLE not in (handled.attributes or {})


def test_an_expired_payment_goes_on_in_the_trace_of_its_order(
    delivery: Delivery, payments: ConsumingService[PaymentService], databases: Databases, clock: SettableClock
) -> None:
    order = an_order(pix=True)
    list(delivery.handle([created(order, trace(1))]))
    clock.pass_time(PIX_EXPIRY + timedelta(minutes=1))

    PixExpiry(payments.service_for, 1.0, payments.inbox.trace_of).sweep()

    assert traces_in_log(databases.payments, order.order_id) == [f"{1:032x}"] * 2


def test_messages_whose_shared_commit_fails_are_shown_as_failed_and_then_handled_alone(
    delivery: Delivery, databases: Databases, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [an_order(), an_order()]

    def collide(_: BufferedWriter, _connection: Connection) -> None:
        raise ConcurrentChange("another service was first")

    monkeypatch.setattr(BufferedWriter, "write", collide)
    list(delivery.handle([created(order, trace(number)) for number, order in enumerate(orders, 1)]))

    for number, order in enumerate(orders, 1):
        attempts = [span for span in named(spans, "process order.created") if trace_of(span) == number]
        errors = [(span.attributes or {}).get("error.type") for span in attempts]
        assert errors == ["ConcurrentChange", None] if number == 1 else errors[-1] is None
        assert len(traces_in_log(databases.payments, order.order_id)) == 1
