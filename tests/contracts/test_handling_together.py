"""The messages of one poll, handled under one commit, and what happens if one of them cannot be."""

import json
import random
import string
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from domain.commands import ReserveInventory
from domain.events import Event, InventoryFailed, OrderConfirmed, OrderCreated, PaymentSettled, ShippingScheduled
from domain.order import Order, Reason
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.batch_delivery import BatchedDelivery
from messaging.kafka.choreographed_service import ServiceTiming, delivery_of
from messaging.kafka.cloudevents import source_of, to_message
from messaging.kafka.connection import KafkaConnection
from messaging.kafka.dead_letters import DEAD_LETTER, DeadLetter, DeadLetters
from messaging.kafka.decoding import dead_letter_decoder, event_decoder
from messaging.kafka.delivery import OUTAGES, Delivery
from messaging.kafka.message import IncomingMessage
from messaging.kafka.reactions import Reactions
from messaging.sql.consuming import ConsumingService
from messaging.sql.database import Database
from messaging.sql.inbox import MessageId, message_id_of
from messaging.sql.parked import ParkedMessage, ParkedMessages
from messaging.sql.unit_of_work import MessageContext
from processes.choreography.service import policies_of
from processes.kafka_bridge.attention import attention_letters
from runtime.wiring import Services, audit_of, consuming_inventory, consuming_payments
from services.payments.gateway import GatewayFault
from services.payments.service import PaymentService
from services.payments.store import PaymentStatus
from services.vocabulary import ORDER_EVENTS, SETTLED, SETTLEMENTS, TOPICS, event_id_of
from tests.support.examples import BOOK, NOON, SettableClock, an_order
from tests.support.faulty_databases import locked
from tests.support.service_databases import Urls
from twinsaga_bridges.backoff import Backoff
from twinsaga_bridges.kafka.dead_letter_topic import DeadLetterTopic, Story
from twinsaga_bridges.kafka.undecodable import UndecodableBatch
from twinsaga_bridges.kafka_into_workflow import KafkaRecord
from workflows.witnessed_steps import NEEDS_ATTENTION

TIMING = ServiceTiming(attempts=4, backoff=Backoff(first_s=60.0, longest_s=60.0))


@pytest.fixture
def payments(urls: Urls, clock: SettableClock) -> Iterator[ConsumingService[PaymentService]]:
    consuming = consuming_payments(urls, clock)
    yield consuming
    consuming.close()


NOWHERE = KafkaConnection(bootstrap="127.0.0.1:1")


def story_of_letter(message: IncomingMessage, error: Exception, attempts: int) -> Story:
    return DeadLetterTopic(NOWHERE.producer, group="payment-service").story(message.to_record(), error, attempts)


class Buried(DeadLetters):
    """Keeps the dead letters that would go to a broker."""

    def __init__(self) -> None:
        super().__init__(NOWHERE, "payment-service")
        self.messages: list[IncomingMessage] = []

    @property
    def offsets(self) -> list[int]:
        return [message.offset for message in self.messages]

    def bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:
        assert story_of_letter(message, error, attempts)  # must not raise, whatever the error says
        self.messages.append(message)


@pytest.fixture
def buried() -> Buried:
    return Buried()


@pytest.fixture
def delivery(payments: ConsumingService[PaymentService], buried: Buried, clock: SettableClock) -> Delivery:
    return delivery_of(payments, policies_of(payments.name), buried, TIMING, clock)


def messages(*events: Event) -> list[IncomingMessage]:
    return [_message(offset, each) for offset, each in enumerate(events)]


def identity(event: Event) -> MessageId:
    return message_id_of(source_of(publisher(event)), event_id_of(event.order_id, event.type))


def publisher(event: Event) -> str:
    name = ORDER_EVENTS.publisher_of(event.type)
    assert name is not None
    return name


def _message(offset: int, event: Event) -> IncomingMessage:
    event_id = event_id_of(event.order_id, event.type)
    recorded = RecordedEvent(event_id=event_id, event=event, service=publisher(event), at=NOON, caused_by=None)
    sent = to_message(ORDER_EVENTS.write(recorded), None)
    return IncomingMessage(
        topic=ORDER_EVENTS.topic_of(event.type),
        partition=0,
        offset=offset,
        timestamp_ms=0,
        key=sent.key,
        value=sent.value,
        headers=sent.headers,
    )


def created(*orders: Order) -> list[OrderCreated]:
    return [OrderCreated(order_id=order.order_id, order=order) for order in orders]


def _parked(order: Order) -> ParkedMessage:
    """An earlier message of the order, long before its next attempt."""
    message = _message(0, *created(order))
    return ParkedMessage(
        message_id=MessageId(f"{order.order_id}-earlier"),
        key=order.order_id,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=message.timestamp_ms,
        headers=message.headers,
        value=message.value or b"",
        attempts=1,
        next_attempt_at=NOON + timedelta(days=1),
        last_error="503",
    )


def offsets(handled: Iterator[IncomingMessage]) -> list[int]:
    return [message.offset for message in handled]


def statuses(payments: ConsumingService[PaymentService], orders: Sequence[Order]) -> list[PaymentStatus | None]:
    found = [payments.service_for(None).find(order.order_id) for order in orders]
    return [payment.status if payment else None for payment in found]


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The service of each transaction that may write, in the order in which they begin."""
    begun: list[str] = []
    writing = Database.writing

    def counted(database: Database) -> AbstractContextManager[Connection]:
        begun.append(database.service)
        return writing(database)

    monkeypatch.setattr(Database, "writing", counted)
    return begun


def test_messages_share_a_transaction_and_the_gateway_is_called_before_it(
    delivery: Delivery, payments: ConsumingService[PaymentService], transactions: list[str]
) -> None:
    orders = [an_order() for _ in range(20)]

    assert offsets(delivery.handle(messages(*created(*orders)))) == list(range(20))

    assert transactions == ["gateway"] * 20 + ["payment-service"]
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 20
    assert payments.outbox.waiting() == 20


def test_a_fault_parks_its_own_order_and_counts_one_attempt(
    delivery: Delivery, payments: ConsumingService[PaymentService], clock: SettableClock
) -> None:
    orders = [an_order(), an_order(token="tok_gatewayFlaky"), an_order(), an_order()]

    assert offsets(delivery.handle(messages(*created(*orders)))) == [0, 1, 2, 3]

    assert statuses(payments, orders) == [PaymentStatus.CAPTURED, None, PaymentStatus.CAPTURED, PaymentStatus.CAPTURED]
    (step,) = payments.service_for(None).journal(orders[1].order_id).steps
    assert step.attempts == 1
    clock.pass_time(timedelta(minutes=2))
    for _ in range(2):  # its second fault, and then it is charged
        delivery.retry_due([("orders", 0)])
        clock.pass_time(timedelta(minutes=2))
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 4
    (step,) = payments.service_for(None).journal(orders[1].order_id).steps
    assert step.attempts == 3


def test_a_later_message_of_a_parked_order_waits_behind_it(
    delivery: Delivery, payments: ConsumingService[PaymentService]
) -> None:
    flaky, other = an_order(token="tok_gatewayFlaky"), an_order()
    late = InventoryFailed(order_id=flaky.order_id, reason=Reason.OUT_OF_STOCK)

    assert offsets(delivery.handle(messages(*created(flaky, other), late))) == [0, 1, 2]

    assert payments.parked.count() == 2
    assert statuses(payments, [flaky, other]) == [None, PaymentStatus.CAPTURED]


def test_no_message_passes_an_earlier_one_of_its_order_that_is_parked(
    delivery: Delivery, payments: ConsumingService[PaymentService]
) -> None:
    waiting, other = an_order(), an_order()
    payments.parked.park(_parked(waiting))

    assert offsets(delivery.handle(messages(*created(other, waiting, an_order())))) == [0, 1, 2]

    assert payments.parked.count() == 2
    assert statuses(payments, [waiting, other]) == [None, PaymentStatus.CAPTURED]


def test_the_gateway_is_not_called_for_a_message_behind_a_parked_one(
    delivery: Delivery, payments: ConsumingService[PaymentService], transactions: list[str]
) -> None:
    waiting = an_order()
    payments.parked.park(_parked(waiting))
    late = InventoryFailed(order_id=waiting.order_id, reason=Reason.OUT_OF_STOCK)
    transactions.clear()

    assert offsets(delivery.handle(messages(late))) == [0]

    assert transactions == ["payment-service"]
    assert payments.parked.count() == 2


def test_an_impossible_event_is_buried_and_the_others_pass(
    urls: Urls, services: Services, buried: Buried, clock: SettableClock
) -> None:
    orders = [an_order() for _ in range(3)]
    services.inventory.restock(BOOK, "Book", 100)
    for order in orders:
        services.inventory.reserve(ReserveInventory(order=order))
    sold = [ShippingScheduled(order_id=each.order_id, tracking_number="TS1") for each in [*orders, an_order()]]
    batch = messages(sold[0], sold[3], sold[1], sold[2])
    consuming = consuming_inventory(urls, clock)
    try:
        assert offsets(delivery_of(consuming, policies_of(consuming.name), buried, TIMING, clock).handle(batch)) == [
            0,
            1,
            2,
            3,
        ]
        handled = [consuming.inbox.handled(identity(each)) for each in sold]
    finally:
        consuming.close()

    assert buried.offsets == [1]
    assert handled == [True, True, True, False]
    stock = services.inventory.stock_of(BOOK)
    assert stock is not None
    assert (stock.reserved, stock.sold) == (0, 6)


def test_poison_in_the_middle_is_buried_and_the_others_pass(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried
) -> None:
    orders = [an_order() for _ in range(4)]
    batch = messages(*created(*orders))
    batch[2] = replace(batch[2], value=b"not an event")

    assert offsets(delivery.handle(batch)) == [0, 1, 2, 3]

    assert buried.offsets == [2]
    captured = PaymentStatus.CAPTURED
    assert statuses(payments, orders) == [captured, captured, None, captured]


def test_repeated_messages_change_nothing(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried, transactions: list[str]
) -> None:
    orders = [an_order() for _ in range(3)]
    batch = messages(*created(*orders))
    list(delivery.handle([*batch, *batch]))
    transactions.clear()

    assert offsets(delivery.handle(batch)) == [0, 1, 2]

    assert transactions == []
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 3
    assert payments.outbox.waiting() == 3
    assert buried.offsets == []


def test_while_the_database_is_away_no_message_is_handled(
    delivery: Delivery, payments: ConsumingService[PaymentService], urls: Urls
) -> None:
    orders = [an_order() for _ in range(3)]
    handled: list[int] = []

    with locked(urls.database_url("payments")), pytest.raises(OUTAGES):
        handled.extend(message.offset for message in delivery.handle(messages(*created(*orders))))

    assert handled == []
    assert offsets(delivery.handle(messages(*created(*orders)))) == [0, 1, 2]
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 3


def settlement(offset: int, value: bytes, timestamp_ms: int = 0) -> IncomingMessage:
    headers = {"ce_specversion": "1.0", "ce_type": SETTLED, "ce_source": "https://gateway.example", "ce_id": "s-1"}
    return IncomingMessage(
        topic=SETTLEMENTS,
        partition=0,
        offset=offset,
        timestamp_ms=timestamp_ms,
        key=b"any",
        value=value,
        headers=tuple((name, text.encode()) for name, text in headers.items()),
    )


@pytest.mark.parametrize(
    "hostile",
    [
        settlement(1, rb'{"order_id": "\ud800"}'),
        settlement(1, b"[" * 3_000),
        settlement(1, b'{"order_id": "o-1"}', timestamp_ms=2**60),
        settlement(1, b'{"order_id": "o-1"}', timestamp_ms=-(2**60)),
        settlement(1, b"\xff"),
        replace(settlement(1, b"{}"), topic="a topic without a decoder"),
    ],
    ids=["lone surrogate", "deeply nested", "far future", "far past", "not UTF-8", "no decoder"],
)
def test_a_hostile_record_is_buried_unchanged_and_its_partition_goes_on(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried, hostile: IncomingMessage
) -> None:
    orders = [an_order() for _ in range(3)]
    batch = [*messages(*created(*orders))]
    batch.insert(1, hostile)

    assert [*delivery.handle(batch)] == batch

    assert buried.messages == [hostile]
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 3


def with_header(message: IncomingMessage, name: str, value: str | bytes) -> IncomingMessage:
    encoded = value.encode() if isinstance(value, str) else value
    return replace(message, headers=tuple({**dict(message.headers), name: encoded}.items()))


def with_order_id(message: IncomingMessage, order_id: str) -> IncomingMessage:
    value = json.loads(message.value or b"")
    value["order_id"] = value["order"]["order_id"] = order_id
    return replace(message, key=order_id.encode(), value=json.dumps(value).encode())


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda message: with_header(message, "ce_id", b"a\x00b"),
        lambda message: with_header(message, "ce_id", b"e" * 256),
        lambda message: with_header(message, "ce_id", b" "),
        lambda message: with_header(message, "ce_source", b"/twinsaga/\x00"),
        lambda message: with_header(message, "ce_causationid", b"a\x1bb"),
        lambda message: with_order_id(message, "a\x00b"),
        lambda message: with_order_id(message, "o" * 256),
        lambda message: with_order_id(message, ""),
        lambda message: replace(message, value=(message.value or b"").replace(b"Ana", rb"A\u0000a")),
        lambda message: replace(message, value=(message.value or b"").replace(b"Ana", b"A\x00a")),
        lambda message: replace(message, value=(message.value or b"").replace(b"Ana", rb"A\ud800a")),
        lambda message: replace(message, error=UndecodableBatch(0, 1, 61, ValueError("lz4"))),
    ],
    ids=(
        "NUL in id,long id,blank id,NUL in source,escape in cause,NUL in order,long order,blank order,NUL in a text,"
        "raw NUL in a text,surrogate in a text,undecodable"
    ).split(","),
)
def test_what_no_database_takes_costs_its_own_message_alone_on_each_of_them(
    delivery: Delivery,
    payments: ConsumingService[PaymentService],
    buried: Buried,
    spoil: Callable[[IncomingMessage], IncomingMessage],
    *,
    alone: bool,
) -> None:
    orders = [an_order() for _ in range(3)]
    batch = messages(*created(*orders))
    batch[1] = spoil(batch[1])

    polls = [[each] for each in batch] if alone else [batch]
    assert [offset for poll in polls for offset in offsets(delivery.handle(poll))] == [0, 1, 2]

    assert buried.offsets == [1]
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED, None, PaymentStatus.CAPTURED]


def test_a_trace_that_is_none_is_left_out(delivery: Delivery, payments: ConsumingService[PaymentService]) -> None:
    order = an_order()
    (message,) = messages(*created(order))

    assert offsets(delivery.handle([with_header(message, "ce_traceparent", b"a\x00b")])) == [0]

    (row,) = payments.outbox.unpublished(10)
    assert row.traceparent is None


def test_a_row_beyond_a_limit_of_the_database_is_no_outage(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried
) -> None:
    """PostgreSQL calls it an operational error, as it calls a lost connection."""
    noise = "".join(random.Random(1).choices(string.ascii_letters, k=20_000))  # noqa: S311 - it must not compress

    def fail(_: MessageContext, event: Event) -> None:
        payments.inbox.mark(MessageId(noise))
        raise ValueError(event.order_id)  # where the database takes it

    reactions = replace(delivery._reactions, on={"order.created": fail})
    batched = BatchedDelivery(reactions, payments.inbox, payments.batches, payments.prefetch)
    broken = Delivery(reactions, payments.inbox, payments.parked, buried, batched, SettableClock())

    assert offsets(broken.handle(messages(*created(an_order())))) == [0]

    assert buried.offsets == [0]


class FullLot(ParkedMessages):
    def park(self, message: ParkedMessage) -> None:
        raise ValueError(message.message_id)


@pytest.mark.parametrize("can_be_parked", [True, False])
def test_a_message_whose_fault_quotes_it_is_parked_and_one_that_cannot_be_parked_is_buried(
    payments: ConsumingService[PaymentService],
    urls: Urls,
    buried: Buried,
    clock: SettableClock,
    *,
    can_be_parked: bool,
) -> None:
    def fail(_: MessageContext, event: Event) -> None:
        raise GatewayFault("charge", f"\x00 \ud800 {event.order_id}")

    reactions = Reactions(
        vocabulary=ORDER_EVENTS,
        decoders={"orders": event_decoder(ORDER_EVENTS, (), installation="")},
        on={"order.created": fail},
        out_of_attempts={},
    )
    batched = BatchedDelivery(reactions, payments.inbox, payments.batches, payments.prefetch)
    with closing(Database.open(urls.database_url("payments"), service="payment-service")) as database:
        parked = payments.parked if can_be_parked else FullLot(database)
        delivery = Delivery(reactions, payments.inbox, parked, buried, batched, clock)

        assert offsets(delivery.handle(messages(*created(an_order(), an_order())))) == [0, 1]
        clock.pass_time(timedelta(minutes=1))
        delivery.retry_due({("orders", 0)})

    assert buried.offsets == ([] if can_be_parked else [0, 1])
    assert payments.parked.count() == (2 if can_be_parked else 0)


def test_an_own_event_in_the_topic_of_the_gateway_is_buried(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried
) -> None:
    order = an_order()
    (forged,) = messages(*created(order))

    assert offsets(delivery.handle([replace(forged, topic=SETTLEMENTS)])) == [0]

    assert buried.offsets == [0]
    assert statuses(payments, [order]) == [None]


@pytest.mark.parametrize("others", [0, 2], ids=["alone", "in a batch"])
@pytest.mark.parametrize(
    "misplace",
    [
        lambda message: replace(message, topic="shipping"),
        lambda message: replace(message, topic=SETTLEMENTS),
        lambda message: with_header(message, "ce_source", "/twinsaga/payment-service"),
        lambda message: with_header(message, "ce_source", "/twinsaga/witness"),
        lambda message: with_header(message, "ce_source", "https://elsewhere.example"),
        lambda message: with_header(message, "ce_installation", "staging"),
    ],
    ids=["topic", "settlements", "service", "witness", "elsewhere", "installation"],
)
def test_an_event_whose_type_topic_source_and_installation_do_not_belong_together_is_buried(
    delivery: Delivery,
    payments: ConsumingService[PaymentService],
    buried: Buried,
    misplace: Callable[[IncomingMessage], IncomingMessage],
    others: int,
) -> None:
    orders = [an_order() for _ in range(others + 1)]
    batch = messages(*created(*orders))
    batch[0] = misplace(batch[0])

    assert [*delivery.handle(batch)] == batch

    assert buried.messages == [batch[0]]
    assert statuses(payments, orders) == [None, *[PaymentStatus.CAPTURED] * others]


def test_a_misplaced_event_is_buried_also_if_its_type_is_ignored(delivery: Delivery, buried: Buried) -> None:
    (confirmed,) = messages(OrderConfirmed(order_id=an_order().order_id))

    assert [*delivery.handle([confirmed])] == [confirmed]
    assert buried.messages == []

    list(delivery.handle([replace(confirmed, topic="inventory")]))
    assert buried.offsets == [0]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_settlement_in_a_topic_of_the_services_is_buried(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried, topic: str
) -> None:
    order = an_order(pix=True)
    settled = PaymentSettled(order_id=order.order_id)
    recorded = RecordedEvent(event_id=EventId("s-1"), event=settled, service="gateway", at=NOON, caused_by=None)
    sent = to_message(ORDER_EVENTS.write(recorded), None)
    message = replace(settlement(0, sent.value), topic=topic, key=sent.key, headers=tuple(sent.headers))

    assert [*delivery.handle([message])] == [message]

    assert buried.messages == [message]
    assert statuses(payments, [order]) == [None]


def test_an_event_is_identified_by_its_source_and_its_id(
    delivery: Delivery, payments: ConsumingService[PaymentService], services: Services, clock: SettableClock
) -> None:
    orders = [an_order(pix=True) for _ in range(2)]
    list(delivery.handle(messages(*created(*orders))))
    paid = [
        settlement(2 + place, json.dumps({"order_id": each.order_id}).encode()) for place, each in enumerate(orders)
    ]
    paid[1] = with_header(paid[1], "ce_source", "https://another.example")

    list(delivery.handle([*paid, *paid]))

    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 2
    twice = [found for found in audit_of(services.databases, clock).broken if found.invariant.endswith("handled twice")]
    assert twice == []


def test_messages_of_two_sources_with_one_id_are_both_parked(
    delivery: Delivery, payments: ConsumingService[PaymentService]
) -> None:
    orders = [an_order(pix=True) for _ in range(2)]
    for order in orders:
        payments.parked.park(_parked(order))
    paid = [settlement(place, json.dumps({"order_id": each.order_id}).encode()) for place, each in enumerate(orders)]
    paid[1] = with_header(paid[1], "ce_source", "https://another.example")

    list(delivery.handle([*paid, *paid]))

    assert payments.parked.count() == 4


def handled_before_the_update(payments: ConsumingService[PaymentService], *event_ids: str) -> None:
    """Earlier versions wrote the event's id alone."""
    for event_id in event_ids:
        payments.inbox.mark(MessageId(event_id))


@pytest.mark.parametrize("together", [True, False])
def test_an_event_that_was_handled_before_the_update_is_not_handled_again_after_it(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried, *, together: bool
) -> None:
    orders = [an_order() for _ in range(2)]
    batch = messages(*created(*orders))
    handled_before_the_update(payments, *(dict(message.headers)["ce_id"].decode() for message in batch))

    for some in [batch] if together else [[message] for message in batch]:
        list(delivery.handle(some))

    assert statuses(payments, orders) == [None, None]
    assert payments.outbox.waiting() == 0
    assert buried.offsets == []


def test_a_settlement_that_was_handled_before_the_update_is_not_handled_again_after_it(
    delivery: Delivery, payments: ConsumingService[PaymentService]
) -> None:
    order = an_order(pix=True)
    list(delivery.handle(messages(*created(order))))
    handled_before_the_update(payments, "s-1")

    list(delivery.handle([settlement(1, json.dumps({"order_id": order.order_id}).encode())]))

    assert statuses(payments, [order]) == [PaymentStatus.PENDING]


def test_a_message_that_was_parked_before_the_update_is_handled_once_after_it(
    delivery: Delivery, payments: ConsumingService[PaymentService]
) -> None:
    order = an_order()
    (message,) = messages(*created(order))
    payments.parked.park(replace(_parked(order), message_id=MessageId("e-1"), next_attempt_at=NOON))
    list(delivery.handle([message]))
    assert payments.parked.count() == 2

    for _ in range(2):
        delivery.retry_due({("orders", 0)})

    assert payments.parked.count() == 0
    assert statuses(payments, [order]) == [PaymentStatus.CAPTURED]
    assert payments.outbox.waiting() == 1


def test_a_parked_message_does_not_wait_for_the_hour_by_which_the_clock_was_set_back(
    delivery: Delivery, payments: ConsumingService[PaymentService], clock: SettableClock
) -> None:
    order = an_order(token="tok_gatewayFlaky")
    list(delivery.handle(messages(*created(order))))

    clock.pass_time(timedelta(hours=-1))
    delivery.retry_due({("orders", 0)})
    delivery.retry_due({("orders", 0)})
    assert statuses(payments, [order]) == [None]  # the second fault: again it waits as long as any message

    clock.pass_time(timedelta(seconds=61))
    delivery.retry_due({("orders", 0)})
    assert statuses(payments, [order]) == [PaymentStatus.CAPTURED]


@pytest.mark.parametrize("others", [0, 2], ids=["alone", "in a batch"])
def test_settlements_that_overtake_their_orders_are_booked_by_the_charges(
    delivery: Delivery, payments: ConsumingService[PaymentService], buried: Buried, others: int
) -> None:
    orders = [an_order(pix=True) for _ in range(others + 1)]
    paid = [settlement(place, json.dumps({"order_id": each.order_id}).encode()) for place, each in enumerate(orders)]
    paid = [with_header(each, "ce_id", f"s-{place}") for place, each in enumerate(paid)]

    list(delivery.handle(paid))
    list(delivery.handle(messages(*created(*orders))))

    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * len(orders)
    published = [row.event.type for row in payments.outbox.unpublished(10)]
    assert published == ["payment.completed"] * len(orders)
    assert buried.messages == []


def test_a_dead_letter_that_cannot_be_handled_stays_where_it_is(
    payments: ConsumingService[PaymentService], buried: Buried, clock: SettableClock
) -> None:
    (dead,) = messages(*created(an_order()))
    letter = replace(dead, topic="orders.dlq", headers=(*dead.headers, *story_of_letter(dead, ValueError("no"), 1)))
    failed: list[DeadLetter] = []

    def fail(_: MessageContext, event: DeadLetter) -> None:
        failed.append(event)
        raise ValueError("cannot be stored")

    reactions = Reactions(
        vocabulary=ORDER_EVENTS,
        decoders={letter.topic: dead_letter_decoder(ORDER_EVENTS, "")},
        on={DEAD_LETTER: fail},
        out_of_attempts={},
    )
    batched = BatchedDelivery(reactions, payments.inbox, payments.batches, payments.prefetch)
    delivery = Delivery(reactions, payments.inbox, payments.parked, buried, batched, clock)

    assert [*delivery.handle([letter])] == [letter]

    assert [each.event_type for each in failed] == ["order.created"]
    assert buried.messages == []


@pytest.mark.parametrize(
    ("misplaced", "concerns"),
    [
        ({}, True),
        ({"topic": "shipping"}, False),
        ({"ce_source": "/twinsaga/shipping-service"}, False),
        ({"ce_installation": "staging"}, False),
    ],
    ids=["in its place", "topic", "source", "installation"],
)
def test_the_dead_letter_of_a_misplaced_event_says_nothing_about_its_order(
    misplaced: dict[str, str], *, concerns: bool
) -> None:
    (message,) = messages(*created(an_order()))
    message = replace(message, topic=misplaced.pop("topic", message.topic))
    for name, value in misplaced.items():
        message = with_header(message, name, value)
    story = story_of_letter(message, ValueError("no"), 1)
    letter = replace(message, topic=f"{message.topic}.dlq", headers=(*message.headers, *story))

    assert (dead_letter_decoder(ORDER_EVENTS, "")(letter) is not None) == concerns
    record = KafkaRecord(
        **{field.name: getattr(letter, field.name) for field in fields(letter) if field.name != "error"}
    )
    assert (attention_letters("")(record).type == NEEDS_ATTENTION) == concerns


def test_a_dead_letter_can_quote_a_lone_surrogate() -> None:
    (message,) = messages(*created(an_order()))

    story = dict(story_of_letter(message, ValueError("no order \ud800"), 1))

    assert story["dead_letter_message"] == rb"no order \ud800"
