from domain.commands import ReserveInventory
from domain.events import PaymentCompleted
from services.inventory.service import InventoryService


def when_payment_completed_reserve_inventory(event: PaymentCompleted, inventory: InventoryService) -> None:
    inventory.reserve(ReserveInventory(order=event.order))
