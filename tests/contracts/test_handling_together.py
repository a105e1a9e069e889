"""The messages of one poll, handled under one commit, and what happens where one of them is not plain."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from adapters.kafka.batch_delivery import BatchedDelivery
from adapters.kafka.cloudevents import to_message
from adapters.kafka.connection import KafkaConnection
from adapters.kafka.dead_letters import DeadLetters
from adapters.kafka.delivery import NOTHING_DECIDED
from adapters.kafka.message import IncomingMessage
from adapters.sql.database import Database
from adapters.sql.parked import ParkedMessage
from domain.commands import ReserveInventory
from domain.events import Event, InventoryFailed, OrderCreated, RecordedEvent, ShippingScheduled
from domain.ids import EventId, event_id_of
from domain.order import Order, Reason
from processes.choreography.service import Patience, deliveries_of
from runtime.wiring import ConsumingService, Services, consuming_inventory, consuming_payments
from services.payments.service import PaymentService
from services.payments.store import PaymentStatus
from tests.examples import BOOK, NOON, SettableClock, an_order
from tests.service_databases import Urls
from tests.unwell_databases import locked
from twinsaga_bridges.backoff import Backoff

PATIENCE = Patience(attempts=4, backoff=Backoff(first_s=60.0, longest_s=60.0))


@pytest.fixture
def payments(urls: Urls, clock: SettableClock) -> Iterator[ConsumingService[PaymentService]]:
    consuming = consuming_payments(urls, clock)
    yield consuming
    consuming.close()


class Buried(DeadLetters):
    """No broker is needed to see what would go to it."""

    def __init__(self) -> None:
        super().__init__(KafkaConnection(bootstrap="127.0.0.1:1"), "payment-service")
        self.offsets: list[int] = []

    def bury(self, message: IncomingMessage, error: Exception, attempts: int) -> None:  # noqa: ARG002 - the base's
        self.offsets.append(message.offset)


@pytest.fixture
def buried() -> Buried:
    return Buried()


@pytest.fixture
def together(payments: ConsumingService[PaymentService], buried: Buried, clock: SettableClock) -> BatchedDelivery:
    return deliveries_of(payments, buried, PATIENCE, clock)


def messages(*events: Event) -> list[IncomingMessage]:
    return [_message(offset, each) for offset, each in enumerate(events)]


def _message(offset: int, told: Event) -> IncomingMessage:
    event_id = event_id_of(told.order_id, told.type)
    sent = to_message(
        RecordedEvent(event_id=event_id, event=told, service="order-service", at=NOON, caused_by=None), None
    )
    return IncomingMessage(
        topic="orders",
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
        message_id=EventId(f"{order.order_id}-earlier"),
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


def offsets(decided: Iterator[IncomingMessage]) -> list[int]:
    return [message.offset for message in decided]


def statuses(payments: ConsumingService[PaymentService], orders: Sequence[Order]) -> list[PaymentStatus | None]:
    found = [payments.service_for(None).find(order.order_id) for order in orders]
    return [payment.status if payment else None for payment in found]


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The service of each transaction that may write, as they begin."""
    begun: list[str] = []
    writing = Database.writing

    def counted(database: Database) -> AbstractContextManager[Connection]:
        begun.append(database.service)
        return writing(database)

    monkeypatch.setattr(Database, "writing", counted)
    return begun


def test_plain_messages_share_a_transaction_and_the_gateway_is_asked_before_it(
    together: BatchedDelivery, payments: ConsumingService[PaymentService], transactions: list[str]
) -> None:
    orders = [an_order() for _ in range(20)]

    assert offsets(together.decide(messages(*created(*orders)))) == list(range(20))

    assert transactions == ["gateway"] * 20 + ["payment-service"]
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 20
    assert payments.outbox.waiting() == 20


def test_one_fault_parks_its_own_order_and_counts_one_attempt(
    together: BatchedDelivery, payments: ConsumingService[PaymentService], clock: SettableClock
) -> None:
    orders = [an_order(), an_order(token="tok_gatewayFlaky"), an_order(), an_order()]

    assert offsets(together.decide(messages(*created(*orders)))) == [0, 1, 2, 3]

    assert statuses(payments, orders) == [PaymentStatus.CAPTURED, None, PaymentStatus.CAPTURED, PaymentStatus.CAPTURED]
    (step,) = payments.service_for(None).journal(orders[1].order_id).steps
    assert step.attempts == 1
    clock.pass_time(timedelta(minutes=2))
    for _ in range(2):  # its second fault, and then it is charged
        together.retry_due([("orders", 0)])
        clock.pass_time(timedelta(minutes=2))
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 4
    (step,) = payments.service_for(None).journal(orders[1].order_id).steps
    assert step.attempts == 3


def test_a_later_message_of_a_parked_order_waits_behind_it(
    together: BatchedDelivery, payments: ConsumingService[PaymentService]
) -> None:
    flaky, other = an_order(token="tok_gatewayFlaky"), an_order()
    late = InventoryFailed(order_id=flaky.order_id, reason=Reason.OUT_OF_STOCK)

    assert offsets(together.decide(messages(*created(flaky, other), late))) == [0, 1, 2]

    assert payments.parked.count() == 2
    assert statuses(payments, [flaky, other]) == [None, PaymentStatus.CAPTURED]


def test_no_message_passes_an_earlier_one_of_its_order_that_is_parked(
    together: BatchedDelivery, payments: ConsumingService[PaymentService]
) -> None:
    waiting, other = an_order(), an_order()
    payments.parked.park(_parked(waiting))

    assert offsets(together.decide(messages(*created(other, waiting, an_order())))) == [0, 1, 2]

    assert payments.parked.count() == 2
    assert statuses(payments, [waiting, other]) == [None, PaymentStatus.CAPTURED]


def test_for_a_message_that_has_to_wait_the_gateway_is_not_asked(
    together: BatchedDelivery, payments: ConsumingService[PaymentService], transactions: list[str]
) -> None:
    waiting = an_order()
    payments.parked.park(_parked(waiting))
    late = InventoryFailed(order_id=waiting.order_id, reason=Reason.OUT_OF_STOCK)
    transactions.clear()

    assert offsets(together.decide(messages(late))) == [0]

    assert transactions == ["payment-service"]
    assert payments.parked.count() == 2


def test_what_cannot_be_true_is_buried_and_the_others_pass(
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
        assert offsets(deliveries_of(consuming, buried, PATIENCE, clock).decide(batch)) == [0, 1, 2, 3]
        handled = [consuming.inbox.handled(event_id_of(each.order_id, each.type)) for each in sold]
    finally:
        consuming.close()

    assert buried.offsets == [1]
    assert handled == [True, True, True, False]
    stock = services.inventory.stock_of(BOOK)
    assert stock is not None
    assert (stock.reserved, stock.sold) == (0, 6)


def test_poison_in_the_middle_is_buried_and_the_others_pass(
    together: BatchedDelivery, payments: ConsumingService[PaymentService], buried: Buried
) -> None:
    orders = [an_order() for _ in range(4)]
    batch = messages(*created(*orders))
    batch[2] = replace(batch[2], value=b"not an event")

    assert offsets(together.decide(batch)) == [0, 1, 2, 3]

    assert buried.offsets == [2]
    captured = PaymentStatus.CAPTURED
    assert statuses(payments, orders) == [captured, captured, None, captured]


def test_messages_that_come_again_change_nothing(
    together: BatchedDelivery, payments: ConsumingService[PaymentService], buried: Buried, transactions: list[str]
) -> None:
    orders = [an_order() for _ in range(3)]
    batch = messages(*created(*orders))
    list(together.decide([*batch, *batch]))
    transactions.clear()

    assert offsets(together.decide(batch)) == [0, 1, 2]

    assert transactions == []
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 3
    assert payments.outbox.waiting() == 3
    assert buried.offsets == []


def test_a_database_that_is_away_leaves_every_message_undecided(
    together: BatchedDelivery, payments: ConsumingService[PaymentService], urls: Urls
) -> None:
    orders = [an_order() for _ in range(3)]
    decided: list[int] = []

    with locked(urls.database_url("payments")), pytest.raises(NOTHING_DECIDED):
        decided.extend(message.offset for message in together.decide(messages(*created(*orders))))

    assert decided == []
    assert offsets(together.decide(messages(*created(*orders)))) == [0, 1, 2]
    assert statuses(payments, orders) == [PaymentStatus.CAPTURED] * 3
