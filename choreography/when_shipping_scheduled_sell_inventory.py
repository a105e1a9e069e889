from domain.commands import SellInventory
from domain.events import ShippingScheduled
from services.inventory.service import InventoryService


def when_shipping_scheduled_sell_inventory(event: ShippingScheduled, inventory: InventoryService) -> None:
    inventory.sell(SellInventory(order_id=event.order_id))
