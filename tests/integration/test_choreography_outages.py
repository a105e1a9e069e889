"""A long outage: of the gateway for one order, or of a service's whole database."""

import asyncio
import time

import pytest
from sqlalchemy import insert, update

from adapters.sql.tables import charges
from domain.commands import RequestCancellation
from domain.ids import OrderId, new_order_id
from domain.order import Card, Reason
from services.inventory.store import ReservationStatus
from services.orders.store import Stage
from services.payments.transitions import charge_key
from tests.support.broker import Broker
from tests.support.choreography_in_threads import Choreography, impatient
from tests.support.faulty_databases import locked
from tests.support.kafka_topics import skip_to_end
from tests.support.sweeps import swept, unused_temporal
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

FOR_EVER = 1_000_000
FLAKY = Card(token="tok_gatewayFlaky")


@pytest.fixture
def partitions() -> int:
    """One, so that a blocked partition blocks everything."""
    return 1


def make_gateway_fault(choreography: Choreography, order_id: OrderId) -> None:
    """Make every charge of the order fault, until `mend_gateway`."""
    key = charge_key(order_id)
    book = insert(charges).values(
        key=key,
        account=key.partition("/")[0],
        charge_id="ch_sick",
        token=FLAKY.token,
        amount=2_500,
        currency="BRL",
        instant=False,
        captured=0,
        refunded=0,
        refund_asked=False,
        charge_faults=-FOR_EVER,
        refund_faults=0,
    )
    with choreography.databases.gateway.writing() as connection:
        connection.execute(book)
        connection.commit()


def mend_gateway(choreography: Choreography, order_id: OrderId) -> None:
    with choreography.databases.gateway.writing() as connection:
        mended = update(charges).where(charges.c.key == charge_key(order_id)).values(charge_faults=FOR_EVER)
        connection.execute(mended)
        connection.commit()


def test_a_faulting_charge_delays_none_of_fifty_other_orders_and_its_own_events_stay_in_order(
    choreography: Choreography,
) -> None:
    choreography.patience = impatient(attempts=FOR_EVER)
    choreography.start()
    sick = new_order_id()
    make_gateway_fault(choreography, sick)
    choreography.place(FLAKY, order_id=sick)
    eventually(lambda: choreography.parked("payment-service") == 1, "its charge is parked")

    cancellation = RequestCancellation(order_id=sick, reason=Reason.CANCELLED_BY_CUSTOMER)
    choreography.services.orders.request_cancellation(cancellation)
    others = [choreography.place() for _ in range(50)]
    ends = {choreography.await_end(order_id, 60.0).stage for order_id in others}

    assert ends == {Stage.CONFIRMED}
    eventually(lambda: choreography.parked("payment-service") == 2, "the undo waits behind the charge")
    assert choreography.services.orders.find(sick).stage is Stage.CREATED
    ids = {recorded.event.type: recorded.event_id for recorded in choreography.recorded(sick)}
    assert not {ids["order.created"], ids["inventory.released"]} & set(choreography.handled("payment-service"))

    mend_gateway(choreography, sick)

    end = choreography.await_end(sick)
    assert (end.stage, end.reason) == (Stage.CANCELLED, Reason.CANCELLED_BY_CUSTOMER)
    handled = choreography.handled("payment-service")
    assert handled.index(ids["order.created"]) < handled.index(ids["inventory.released"])
    events = choreography.timeline(sick)
    assert events.index("payment.completed") < events.index("payment.refunded")
    choreography.await_books_right()


def test_a_database_outage_longer_than_the_session_timeout_loses_no_partition_and_no_order(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.start()
    choreography.await_end(choreography.place())
    choreography.await_books_right()
    rebalances = choreography.rebalances("inventory-service")

    with locked(choreography.database_url("inventory")):
        orders = [choreography.place() for _ in range(10)]
        for order_id in orders:
            choreography.await_event(order_id, "payment.completed")
        over = time.monotonic() + 4 * choreography.connection.session_timeout_ms / 1000
        eventually(lambda: time.monotonic() > over, "the outage outlasts the session")
        assert not any("inventory.reserved" in choreography.timeline(order_id) for order_id in orders)

    assert {choreography.await_end(order_id, 60.0).stage for order_id in orders} == {Stage.CONFIRMED}
    assert choreography.rebalances("inventory-service") == rebalances
    sent = [dict(message.headers)["ce_id"].decode() for message in broker.topic("payments").await_messages(11)]
    handled = choreography.handled("inventory-service")
    assert [event_id for event_id in handled if event_id in sent] == sent
    choreography.await_books_right()


async def test_a_sale_whose_event_inventory_alone_has_lost_is_made_after_the_sweep(
    choreography: Choreography, broker: Broker
) -> None:
    choreography.start("order-service", "payment-service", "inventory-service")
    order_id = choreography.place()
    choreography.await_event(order_id, "inventory.reserved")
    choreography.stop("inventory-service")
    choreography.start("shipping-service")
    choreography.await_end(order_id)
    skip_to_end(broker.bootstrap, "inventory-service", "shipping")  # as if its retention had deleted the event unread
    choreography.start("inventory-service")
    later = choreography.place()
    choreography.await_end(later)

    def is_sold(order_id: OrderId) -> bool:
        reservation = choreography.services.inventory.find(order_id)
        return reservation is not None and reservation.status is ReservationStatus.SOLD

    eventually(lambda: is_sold(later), "a later order is sold")
    assert not is_sold(order_id)

    async with swept(await unused_temporal(), choreography.services):
        await asyncio.to_thread(eventually, lambda: is_sold(order_id), "the order is sold")
    choreography.await_books_right()
