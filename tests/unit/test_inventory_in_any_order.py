"""No piece appears or vanishes, for any order and any repetition of reserve, sell, release and restock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.commands import ReleaseInventory, ReserveInventory, SellInventory
from domain.errors import ImpossibleState
from domain.events import InventoryFailed, InventoryReserved
from domain.ids import Sku, new_order_id
from domain.order import Order, Reason
from runtime.wiring import Databases, Services, services_over
from services.inventory.service import InventoryService
from services.inventory.store import ReservationStatus
from tests.support.examples import SettableClock, an_order

ORDERS = 4
SKUS = 2


@dataclass(frozen=True, slots=True)
class Deed:
    what: str
    number: int
    pieces: int


deeds = st.builds(
    Deed,
    what=st.sampled_from(("reserve", "reserve", "release", "undo", "sell", "restock")),
    number=st.integers(0, ORDERS - 1),
    pieces=st.integers(0, 8),
)


def carry_out(deed: Deed, inventory: InventoryService, orders: list[Order], skus: list[Sku]) -> None:
    order = orders[deed.number]
    acts: dict[str, Callable[[], Any]] = {
        "reserve": lambda: inventory.reserve(ReserveInventory(order=order)),
        "release": lambda: inventory.release(ReleaseInventory(order_id=order.order_id, reason=Reason.TIMED_OUT)),
        "undo": lambda: inventory.release(
            ReleaseInventory(order_id=order.order_id, reason=Reason.TIMED_OUT, order_undone=True)
        ),
        "sell": lambda: inventory.sell(SellInventory(order_id=order.order_id)),
        "restock": lambda: inventory.restock(skus[deed.number % SKUS], "thing", deed.pieces),
    }
    before = inventory.find(order.order_id)
    try:
        acts[deed.what]()
    except ImpossibleState:
        sold = before is not None and before.status is ReservationStatus.SOLD
        nothing_to_sell = before is None or before.order is None or before.status is not ReservationStatus.RESERVED
        assert (deed.what == "release" and sold) or (deed.what == "sell" and nothing_to_sell)
        assert inventory.find(order.order_id) == before


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    quantities=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=ORDERS, max_size=ORDERS),
    sequence=st.lists(deeds, max_size=25),
)
def test_no_piece_appears_or_vanishes(
    databases: Databases, quantities: list[tuple[int, int]], sequence: list[Deed]
) -> None:
    inventory = services_over(databases, SettableClock(), publish=True).inventory
    run = new_order_id()
    skus = [Sku(f"{run}/{number}") for number in range(SKUS)]
    orders = [an_order(*zip(skus, each, strict=True)) for each in quantities]

    for deed in sequence:
        carry_out(deed, inventory, orders, skus)
        check_stock(inventory, orders, skus)
    check_events(inventory, orders)


def check_stock(inventory: InventoryService, orders: list[Order], skus: list[Sku]) -> None:
    for sku in skus:
        stock = inventory.stock_of(sku)
        if stock is None:
            continue
        assert stock.on_hand + stock.reserved + stock.sold == stock.restocked
        assert min(stock.on_hand, stock.reserved, stock.sold) >= 0
        assert stock.reserved == counted(inventory, orders, sku, ReservationStatus.RESERVED)
        assert stock.sold == counted(inventory, orders, sku, ReservationStatus.SOLD)


def counted(inventory: InventoryService, orders: list[Order], sku: Sku, status: ReservationStatus) -> int:
    """Count all lines of an order, or none."""
    return sum(
        line.quantity
        for order in orders
        if (found := inventory.find(order.order_id)) is not None and found.status is status
        for line in order.lines
        if line.sku == sku
    )


def check_events(inventory: InventoryService, orders: list[Order]) -> None:
    """A reservation is granted or refused, never both, and neither of them after a release."""
    for order in orders:
        said = [type(recorded.event) for recorded in inventory.journal(order.order_id).events]
        assert len(said) == len(set(said))
        assert not {InventoryReserved, InventoryFailed} <= set(said)


@pytest.mark.parametrize("late", ["reserve", "release", "sell"])
def test_after_a_release_nothing_is_reserved_any_more(services: Services, late: str) -> None:
    sku = Sku("THING")
    services.inventory.restock(sku, "thing", 5)
    order = an_order((sku, 2))
    carry_out(Deed("reserve", 0, 0), services.inventory, [order], [sku])
    carry_out(Deed("release", 0, 0), services.inventory, [order], [sku])

    carry_out(Deed(late, 0, 0), services.inventory, [order], [sku])

    stock = services.inventory.stock_of(sku)
    assert stock is not None
    assert (stock.on_hand, stock.reserved, stock.sold) == (5, 0, 0)
