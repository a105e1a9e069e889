"""Spans of the services' methods that the API calls, without the services knowing of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

from adapters.order_spans import order_attributes
from domain import commands
from domain.ids import OrderId
from domain.order import SagaStyle
from messaging import tracing
from runtime.wiring import Services

S = TypeVar("S")


def traced_services(services: Services, style: SagaStyle) -> Services:
    """Give each call that takes a command a span. While traces are off, return the services as they are.

    Elsewhere a service is called once within the span of an attempt, so that a span of its own would add nothing.
    """
    if not tracing.are_on():
        return services
    return replace(
        services,
        orders=_traced(services.orders, style),
        payments=_traced(services.payments, style),
        inventory=_traced(services.inventory, style),
        shipping=_traced(services.shipping, style),
    )


def _traced(service: S, style: SagaStyle) -> S:
    return cast("S", _Traced(service, style))


class _Traced:
    def __init__(self, service: object, style: SagaStyle) -> None:
        self._service = service
        self._style = style

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the service has
        member = getattr(self._service, name)
        return self._with_span(member) if callable(member) else member

    def _with_span(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the method's
            order_id = order_of(arguments[0]) if arguments else None
            if order_id is None:
                return method(*arguments, **options)
            with tracing.span(method.__qualname__, attributes=order_attributes(order_id, self._style)):
                return method(*arguments, **options)

        return call


def order_of(command: object) -> OrderId | None:
    """Return the order that a command is about; None for anything else."""
    match command:
        case commands.PlaceOrder(request=request):
            return request.order_id
        case (
            commands.CreateOrder(order=order)
            | commands.ChargePayment(order=order)
            | commands.ReserveInventory(order=order)
            | commands.ScheduleShipping(order=order)
        ):
            return order.order_id
    if type(command).__module__ != commands.__name__:
        return None
    return getattr(command, "order_id", None)
