"""Sample orders, products and messages, and a clock that a test sets."""

from datetime import UTC, datetime, timedelta

from domain.ids import CustomerId, OrderId, Sku, new_order_id
from domain.money import Money
from domain.order import Card, Order, OrderLine, OrderRequest, PaymentMethod, Pix, PricedLine, ShippingAddress
from messaging.sql.inbox import MessageId
from messaging.sql.parked import ParkedMessage

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
BOOK = Sku("BOOK")
LAMP = Sku("LAMP")
PRICE = Money(amount=1_250, currency="BRL")
FREE = Money(amount=0, currency="BRL")


class SettableClock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, time: timedelta) -> None:
        self.now += time


def address(postal_code: str = "01310-100") -> ShippingAddress:
    return ShippingAddress(
        recipient="Ana Souza",
        street="Avenida Paulista 1000",
        city="Sao Paulo",
        postal_code=postal_code,
        country="BR",
    )


def a_request(
    *quantities: tuple[Sku, int], payment: PaymentMethod | None = None, order_id: OrderId | None = None
) -> OrderRequest:
    return OrderRequest(
        order_id=order_id or new_order_id(),
        customer_id=CustomerId("ana"),
        lines=tuple(OrderLine(sku=sku, quantity=quantity) for sku, quantity in quantities or ((BOOK, 2),)),
        payment=payment or Card(token="tok_visa"),
        shipping_address=address(),
    )


def an_order(
    *quantities: tuple[Sku, int],
    token: str = "tok_visa",  # noqa: S107 - a test card
    pix: bool = False,
    postal_code: str = "01310-100",
    order_id: OrderId | None = None,
    price: Money = PRICE,
) -> Order:
    return Order(
        order_id=order_id or new_order_id(),
        customer_id=CustomerId("ana"),
        lines=tuple(
            PricedLine(sku=sku, quantity=quantity, unit_price=price) for sku, quantity in quantities or ((BOOK, 2),)
        ),
        payment=Pix() if pix else Card(token=token),
        shipping_address=address(postal_code),
    )


def a_message(message_id: str, key: str = "order-1", partition: int = 0, offset: int = 0) -> ParkedMessage:
    return ParkedMessage(
        message_id=MessageId(message_id),
        key=key,
        topic="orders",
        partition=partition,
        offset=offset,
        timestamp_ms=1_772_366_400_123,
        headers=(("ce_id", message_id.encode()), ("ce_id", b"\x00\xff")),
        value=b'{"type": "order.created", "\xc3\xa3": 1}\x00',
        attempts=1,
        next_attempt_at=NOON,
        last_error="payment gateway: charge: 503",
    )
