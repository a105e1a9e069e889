import pytest

from domain.commands import ReleaseInventory, ReserveInventory, SellInventory
from domain.errors import ImpossibleState
from domain.events import InventoryFailed, InventoryReleased, InventoryReserved
from domain.ids import OrderId, Sku, new_order_id
from domain.order import Order, Reason
from runtime.wiring import Services
from services.inventory.service import InventoryService
from tests.support.examples import BOOK, LAMP, an_order


@pytest.fixture
def inventory(services: Services) -> InventoryService:
    services.inventory.restock(BOOK, "Book", 10)
    services.inventory.restock(LAMP, "Lamp", 1)
    return services.inventory


def pieces(inventory: InventoryService, sku: Sku = BOOK) -> tuple[int, int, int]:
    stock = inventory.stock_of(sku)
    assert stock is not None
    assert stock.on_hand + stock.reserved + stock.sold == stock.restocked
    return stock.on_hand, stock.reserved, stock.sold


def reserve(inventory: InventoryService, order: Order) -> InventoryReserved | InventoryFailed:
    return inventory.reserve(ReserveInventory(order=order))


def release(inventory: InventoryService, order_id: OrderId, *, order_undone: bool = False) -> InventoryReleased:
    reason = Reason.CANCELLED_BY_CUSTOMER
    return inventory.release(ReleaseInventory(order_id=order_id, reason=reason, order_undone=order_undone))


def test_reserving_twice_is_reserving_once(inventory: InventoryService) -> None:
    order = an_order((BOOK, 3))

    assert (
        reserve(inventory, order)
        == reserve(inventory, order)
        == InventoryReserved(order_id=order.order_id, order=order)
    )
    assert pieces(inventory) == (7, 3, 0)
    assert len(inventory.journal(order.order_id).events) == 1


def test_too_little_of_one_line_reserves_nothing_of_the_others(inventory: InventoryService) -> None:
    order = an_order((BOOK, 3), (LAMP, 2))

    answer = reserve(inventory, order)

    assert answer == InventoryFailed(order_id=order.order_id, reason=Reason.OUT_OF_STOCK)
    assert pieces(inventory, BOOK) == (10, 0, 0)
    assert pieces(inventory, LAMP) == (1, 0, 0)


def test_a_refusal_is_final_even_if_stock_arrives_later(inventory: InventoryService) -> None:
    order = an_order((LAMP, 2))
    first = reserve(inventory, order)
    inventory.restock(LAMP, "Lamp", 50)

    assert reserve(inventory, order) == first


def test_a_product_without_stock_record_is_an_unknown_sku(inventory: InventoryService) -> None:
    order = an_order((Sku("NOTHING"), 1))

    assert reserve(inventory, order) == InventoryFailed(order_id=order.order_id, reason=Reason.UNKNOWN_SKU)


def test_releasing_twice_puts_the_pieces_back_once(inventory: InventoryService) -> None:
    order = an_order((BOOK, 3))
    reserve(inventory, order)

    assert release(inventory, order.order_id) == release(inventory, order.order_id)
    assert pieces(inventory) == (10, 0, 0)


def test_a_release_before_the_reservation_refuses_it(inventory: InventoryService) -> None:
    order = an_order((BOOK, 3))
    released = release(inventory, order.order_id)

    answer = reserve(inventory, order)

    assert released == InventoryReleased(order_id=order.order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
    assert answer == InventoryFailed(order_id=order.order_id, reason=Reason.CANCELLED_BY_CUSTOMER)
    assert pieces(inventory) == (10, 0, 0)


def test_selling_twice_is_selling_once(inventory: InventoryService) -> None:
    order = an_order((BOOK, 3))
    reserve(inventory, order)

    inventory.sell(SellInventory(order_id=order.order_id))
    inventory.sell(SellInventory(order_id=order.order_id))

    assert pieces(inventory) == (7, 0, 3)


def test_sold_pieces_are_released_only_if_the_order_is_undone(inventory: InventoryService) -> None:
    order = an_order((BOOK, 3))
    reserve(inventory, order)
    inventory.sell(SellInventory(order_id=order.order_id))

    with pytest.raises(ImpossibleState):
        release(inventory, order.order_id)
    assert pieces(inventory) == (7, 0, 3)

    for _ in range(2):
        release(inventory, order.order_id, order_undone=True)
    assert pieces(inventory) == (10, 0, 0)
    with pytest.raises(ImpossibleState):
        inventory.sell(SellInventory(order_id=order.order_id))


def test_only_reserved_pieces_are_sold(inventory: InventoryService) -> None:
    with pytest.raises(ImpossibleState):
        inventory.sell(SellInventory(order_id=new_order_id()))


def test_restocking_sets_what_is_on_hand_and_leaves_the_reserved_alone(inventory: InventoryService) -> None:
    reserve(inventory, an_order((BOOK, 3)))

    inventory.restock(BOOK, "Hardcover", 4)

    assert pieces(inventory) == (4, 3, 0)
    stock = inventory.stock_of(BOOK)
    assert stock is not None
    assert stock.name == "Hardcover"
