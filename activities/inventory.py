from temporalio import activity

from domain.commands import ReleaseInventory, ReserveInventory, SellInventory
from domain.events import InventoryFailed, InventoryReleased, InventoryReserved
from services.inventory.service import InventoryService


class InventoryActivities:
    def __init__(self, inventory: InventoryService) -> None:
        self._inventory = inventory

    @activity.defn(name="reserve_inventory")
    def reserve(self, command: ReserveInventory) -> InventoryReserved | InventoryFailed:
        return self._inventory.reserve(command)

    @activity.defn(name="sell_inventory")
    def sell(self, command: SellInventory) -> None:
        self._inventory.sell(command)

    @activity.defn(name="release_inventory")
    def release(self, command: ReleaseInventory) -> InventoryReleased:
        return self._inventory.release(command)
