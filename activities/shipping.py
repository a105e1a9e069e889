from temporalio import activity

from domain.commands import CancelShipping, ScheduleShipping, WithdrawShipping
from domain.events import ShippingCancelled, ShippingFailed, ShippingScheduled
from services.shipping.service import ShippingService


class ShippingActivities:
    def __init__(self, shipping: ShippingService) -> None:
        self._shipping = shipping

    @activity.defn(name="schedule_shipping")
    def schedule(self, command: ScheduleShipping) -> ShippingScheduled | ShippingFailed:
        return self._shipping.schedule(command)

    @activity.defn(name="cancel_shipping")
    def cancel(self, command: CancelShipping) -> ShippingCancelled:
        return self._shipping.cancel(command)

    @activity.defn(name="withdraw_shipping")
    def withdraw(self, command: WithdrawShipping) -> ShippingCancelled | ShippingScheduled:
        return self._shipping.withdraw(command)
