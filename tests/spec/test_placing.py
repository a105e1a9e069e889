"""A stored order gets its saga, even if the API dies before it starts one."""

from collections.abc import Iterator

import pytest

from comparison.scenarios import SCENARIOS
from domain.commands import PlaceOrder
from domain.ids import CustomerId, Sku, new_order_id
from domain.order import Card, OrderLine, OrderRequest, SagaStyle, ShippingAddress
from runtime.sealing import seals
from runtime.wiring import Services, open_services
from services.sealing import sealed_request
from tests.support.shop import Shop
from tests.support.stack import Json, Stack


@pytest.fixture
def services(stack: Stack, style: str) -> Iterator[Services]:
    """The services over the running stack's databases, as the API holds them."""
    services = open_services(stack.settings(), publish=style == "choreographed")
    yield services
    services.close()


def as_request(order: Json) -> OrderRequest:
    return OrderRequest(
        order_id=new_order_id(),
        customer_id=CustomerId(order["customer_id"]),
        lines=tuple(OrderLine(sku=Sku(line["sku"]), quantity=line["quantity"]) for line in order["lines"]),
        payment=Card(token=order["payment"]["token"]),
        shipping_address=ShippingAddress(**order["shipping_address"]),
    )


def test_an_order_whose_caller_died_after_the_first_write_is_swept_up(
    shop: Shop, stack: Stack, services: Services, style: str
) -> None:
    request = sealed_request(as_request(shop.prepared(SCENARIOS["ok"])), seals(stack.settings()))

    services.orders.place(PlaceOrder(request=request, style=SagaStyle(style), fingerprint="of a caller that died"))

    assert shop.order(request.order_id)["status"] in {"pending", "confirmed"}
    assert shop.await_end(request.order_id)["status"] == "confirmed"
