"""Rate, errors and duration of the steps, by style. The services that run them know nothing of it.

Both styles call the same methods of the same services, so that their figures can be compared.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

from adapters.metrics import STEP_SECONDS
from domain.events import InventoryFailed, OrderCancelled, PaymentFailed, ShippingFailed
from domain.order import SagaStyle, Step
from messaging.sql.consuming import ConsumingService
from messaging.sql.inbox import AlreadyHandled, KeyIsParked
from runtime.wiring import Services
from services.inventory.service import InventoryService
from services.orders.service import OrderService
from services.payments.service import PaymentService
from services.shipping.service import ShippingService

S = TypeVar("S")

STEP_OF: Mapping[object, Step] = {
    OrderService.create: Step.CREATE_ORDER,
    OrderService.confirm: Step.CONFIRM_ORDER,
    OrderService.cancel: Step.CANCEL_ORDER,
    PaymentService.charge: Step.CHARGE_PAYMENT,
    PaymentService.refund: Step.REFUND_PAYMENT,
    InventoryService.reserve: Step.RESERVE_INVENTORY,
    InventoryService.release: Step.RELEASE_INVENTORY,
    ShippingService.schedule: Step.SCHEDULE_SHIPPING,
    ShippingService.cancel: Step.CANCEL_SHIPPING,
}
REFUSALS = (OrderCancelled, PaymentFailed, InventoryFailed, ShippingFailed)
NO_ATTEMPT = (AlreadyHandled, KeyIsParked)


def measured_services(services: Services, style: SagaStyle) -> Services:
    return replace(
        services,
        orders=_measured(services.orders, style),
        payments=_measured(services.payments, style),
        inventory=_measured(services.inventory, style),
        shipping=_measured(services.shipping, style),
    )


def measured_consumer(consuming: ConsumingService[S]) -> ConsumingService[S]:
    """A batch of messages has one commit, which no duration of theirs contains, nor the gateway's answer ahead."""

    def service_for(*message: Any) -> S:  # noqa: ANN401 - the function's
        return _measured(consuming.service_for(*message), SagaStyle.CHOREOGRAPHED)

    return replace(consuming, service_for=service_for)


def _measured(service: S, style: SagaStyle) -> S:
    return cast("S", _Measured(service, style))


class _Measured:
    def __init__(self, service: object, style: SagaStyle) -> None:
        self._service = service
        self._style = style

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the service has
        member = getattr(self._service, name)
        step = STEP_OF.get(getattr(member, "__func__", None))
        return member if step is None else self._timed(member, step)

    def _timed(self, method: Callable[..., Any], step: Step) -> Callable[..., Any]:
        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the method's
            began = time.perf_counter()
            try:
                answer = method(*arguments, **options)
            except NO_ATTEMPT:
                raise
            except Exception:
                self._observe(step, "fault", began)
                raise
            refused = isinstance(answer, REFUSALS) and step is not Step.CANCEL_ORDER
            self._observe(step, "refused" if refused else "done", began)
            return answer

        return call

    def _observe(self, step: Step, outcome: str, began: float) -> None:
        STEP_SECONDS.labels(self._style.value, step.value, outcome).observe(time.perf_counter() - began)
