from domain.ids import OrderId, order_id_from_key
from services.vocabulary import event_id_of


def test_one_key_is_one_order() -> None:
    assert order_id_from_key("orders", "key-1") == order_id_from_key("orders", "key-1")
    assert order_id_from_key("orders", "key-1") != order_id_from_key("orders", "key-2")
    assert order_id_from_key("orders", "key-1") != order_id_from_key("pairs", "key-1")


def test_one_event_of_an_order_has_one_id() -> None:
    first = OrderId("order-1")
    assert event_id_of(first, "order.created") == event_id_of(first, "order.created")
    assert event_id_of(first, "order.created") != event_id_of(first, "order.confirmed")
    assert event_id_of(first, "order.created") != event_id_of(OrderId("order-2"), "order.created")
