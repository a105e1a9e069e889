from domain.commands import ReleaseInventory
from domain.events import ShippingCancelled
from services.inventory.service import InventoryService


def when_shipping_cancelled_release_inventory(event: ShippingCancelled, inventory: InventoryService) -> None:
    inventory.release(ReleaseInventory(order_id=event.order_id, reason=event.reason))
