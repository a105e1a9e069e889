from typing import Annotated

from fastapi import APIRouter, Path

from api.dependencies import Dependencies, Injected
from api.problems import documented, documented_write
from api.schemas.products import MoneyView, ProductBody, ProductView
from domain.errors import UnknownProduct
from domain.ids import Sku
from services.intake.fields import SkuText

router = APIRouter(prefix="/products", tags=["products"])

SkuInPath = Annotated[SkuText, Path()]


@router.put("/{sku}", responses=documented_write(422, 503))
def stock_product(sku: SkuInPath, product: ProductBody, services: Injected) -> ProductView:
    """Set the price and the stock of a product. Repeating the request has no further effect."""
    price = product.unit_price.to_money()
    services.inventory.restock(Sku(sku), product.name, product.on_hand)
    # The price comes last: a product with a price can be ordered, so its stock must exist by then.
    services.order_records.set_price(Sku(sku), price)
    return _shown(Sku(sku), services)


@router.get("/{sku}", responses=documented(404, 422, 503))
def show_product(sku: SkuInPath, services: Injected) -> ProductView:
    return _shown(Sku(sku), services)


def _shown(sku: Sku, services: Dependencies) -> ProductView:
    price, stock = services.order_records.price_of(sku), services.inventory.stock_of(sku)
    if price is None or stock is None:
        raise UnknownProduct(sku)
    return ProductView(
        sku=sku,
        name=stock.name,
        unit_price=MoneyView.of(price),
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        sold=stock.sold,
    )
