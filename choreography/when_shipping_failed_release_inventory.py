from domain.commands import ReleaseInventory
from domain.events import ShippingFailed
from services.inventory.service import InventoryService


def when_shipping_failed_release_inventory(event: ShippingFailed, inventory: InventoryService) -> None:
    inventory.release(ReleaseInventory(order_id=event.order_id, reason=event.reason))
