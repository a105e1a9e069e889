from collections.abc import Callable
from typing import get_args

import pytest

from adapters.codec import from_json, to_json
from domain.events import (
    Event,
    InventoryFailed,
    OrderCreated,
    OrderRequested,
)
from domain.order import Order, OrderRequest, Reason
from messaging.vocabulary import UndecodableEvent, UnknownEventType
from services.vocabulary import ORDER_EVENTS
from tests.support.examples import BOOK, LAMP, NOON, a_request, an_order

ORDER = an_order((BOOK, 2), (LAMP, 1))
FIELDS = {
    "order_id": ORDER.order_id,
    "request": a_request(order_id=ORDER.order_id),
    "order": ORDER,
    "reason": Reason.OUT_OF_STOCK,
    "expires_at": NOON,
    "charge_id": "ch_1",
    "tracking_number": "TS1",
}


@pytest.mark.parametrize("kind", get_args(Event))
def test_every_event_survives_encoding_and_decoding(kind: type[Event]) -> None:
    make: Callable[..., Event] = kind
    event = make(**{name: FIELDS[name] for name in kind.__dataclass_fields__ if name != "type"})

    assert ORDER_EVENTS.decode(ORDER_EVENTS.encode(event)) == event
    assert type(ORDER_EVENTS.decode(ORDER_EVENTS.encode(event))) is kind


def test_orders_and_requests_keep_their_payment_method() -> None:
    for order in (ORDER, an_order(pix=True)):
        assert from_json(Order, to_json(order)) == order
    request = a_request()
    assert from_json(OrderRequest, to_json(request)) == request


def test_two_events_with_the_same_fields_are_distinguished_by_their_type() -> None:
    event = InventoryFailed(order_id=ORDER.order_id, reason=Reason.OUT_OF_STOCK)
    as_another = ORDER_EVENTS.encode(event).replace(b"inventory.failed", b"shipping.failed")

    assert ORDER_EVENTS.decode(ORDER_EVENTS.encode(event)) == event
    assert ORDER_EVENTS.decode(as_another).type == "shipping.failed"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"order_id": "o-1", "reason": "out_of_stock"}',
        b'{"type": "shipping.failed", "order_id": "o-1"}',
        b'{"type": "shipping.failed", "order_id": 7, "reason": "out_of_stock"}',
        b'{"type": "shipping.failed", "order_id": "o-1", "reason": "no such reason"}',
    ],
)
def test_a_value_that_is_not_an_event_is_undecodable(value: bytes) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        ORDER_EVENTS.decode(value)
    assert not isinstance(caught.value, UnknownEventType)


def test_an_unknown_type_has_an_error_of_its_own() -> None:
    with pytest.raises(UnknownEventType):
        ORDER_EVENTS.decode(b'{"type": "order.lost", "order_id": "o-1"}')


def test_impossible_money_is_undecodable() -> None:
    created = OrderCreated(order_id=ORDER.order_id, order=ORDER)
    for wrong in ((b'"amount":1250', b'"amount":-1'), (b'"BRL"', b'"XXX"')):
        with pytest.raises(UndecodableEvent):
            ORDER_EVENTS.decode(ORDER_EVENTS.encode(created).replace(*wrong))


def test_an_error_does_not_contain_the_input() -> None:
    request = a_request(order_id=ORDER.order_id)
    value = ORDER_EVENTS.encode(OrderRequested(order_id=ORDER.order_id, request=request))

    with pytest.raises(UndecodableEvent) as caught:
        ORDER_EVENTS.decode(value.replace(b'"quantity":2', b'"quantity":"Ana Souza"'))

    assert "Ana Souza" not in str(caught.value)
    assert "quantity" in str(caught.value)
