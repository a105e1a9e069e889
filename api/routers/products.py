from typing import Annotated

from fastapi import Path
from starlette.concurrency import run_in_threadpool

from api.actions import recorded
from api.dependencies import Dependencies, Injected
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.problems import documented, documented_write
from api.schemas.products import MoneyView, ProductBody, ProductView
from domain.errors import UnknownProduct
from domain.ids import Sku
from services.access.keys import Role
from services.intake.fields import SkuText

router = guarded_router(prefix="/products", tags=["products"])

SkuInPath = Annotated[SkuText, Path()]


@router.put("/{sku}", responses=documented_write(422, 503), openapi_extra=only(Role.ADMIN))
async def stock_product(
    sku: SkuInPath, product: ProductBody, services: Injected, caller: InjectedCaller
) -> ProductView:
    """Set the price and the stock of a product. Repeating the request has no further effect."""
    async with recorded(caller, services, "stock", detail=sku):
        return await run_in_threadpool(_stock, sku, product, services)


def _stock(sku: str, product: ProductBody, services: Dependencies) -> ProductView:
    price = product.unit_price.to_money()
    services.inventory.restock(Sku(sku), product.name, product.on_hand)
    # The price comes last: a product with a price can be ordered, so its stock must exist by then.
    services.order_records.set_price(Sku(sku), price)
    return _shown(Sku(sku), services)


@router.get("/{sku}", responses=documented(404, 422, 503), openapi_extra=only(*Role))
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
