from domain.commands import ScheduleShipping
from domain.events import InventoryReserved
from services.shipping.service import ShippingService


def when_inventory_reserved_schedule_shipping(event: InventoryReserved, shipping: ShippingService) -> None:
    shipping.schedule(ScheduleShipping(order=event.order))
