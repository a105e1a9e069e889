from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Body, Request, Response
from pydantic import BaseModel

from api.callers import Caller
from api.dependencies import Dependencies, Injected
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.idempotency import IdempotencyKey, one_at_a_time
from api.order_placement import Placing
from api.preferences import WaitSeconds, ends_of
from api.problems import Forbidden, documented_write
from api.request_metrics import note_orders
from domain.commands import PlaceOrder
from domain.ids import OrderId
from domain.order import SagaStyle
from services.access.keys import Role
from services.intake.fields import StyleName
from services.intake.order_body import OrderBody, OrderPairBody, place_order_command

router = guarded_router(tags=["orders"])

_MAY_PLACE = only(Role.CUSTOMER, Role.OPERATOR)


class Links(BaseModel):
    """`temporal_ui` shows an orchestrated order's workflow, or a choreographed one's witness if there is one."""

    self: str
    timeline: str
    temporal_ui: str | None


class PlacedOrder(BaseModel):
    """The order was accepted. A repeated call gets the same answer."""

    order_id: str
    style: StyleName
    status: Literal["pending"] = "pending"
    links: Links


class FinishedOrder(BaseModel):
    """The order was finished within the time that the client preferred to wait. `reason`: why it was cancelled."""

    order_id: str
    style: StyleName
    status: Literal["confirmed", "cancelled"]
    reason: str | None
    links: Links


class PlacedPair(BaseModel):
    orchestrated: PlacedOrder
    choreographed: PlacedOrder


class FinishedPair(BaseModel):
    orchestrated: FinishedOrder
    choreographed: FinishedOrder


def _responses(placed: type[BaseModel], finished: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    within_wait = {"model": finished, "description": "Finished within the time of `Prefer: wait`"}
    return {**documented_write(409, 422, 503), 202: {"model": placed}, 200: within_wait}


@router.post(
    "/orders",
    status_code=202,
    response_model=None,
    responses=_responses(PlacedOrder, FinishedOrder),
    openapi_extra=_MAY_PLACE,
)
async def place_order(  # noqa: PLR0913 - one argument per header or injected object
    order: Annotated[OrderBody, Body()],
    services: Injected,
    request: Request,
    response: Response,
    caller: InjectedCaller,
    *,
    key: IdempotencyKey = None,
    wait_s: WaitSeconds = None,
) -> PlacedOrder | FinishedOrder:
    """Place one order. The link `self` shows its progress."""
    _refuse_other_customers(order, caller)
    scope = caller.scoped("orders")
    command = place_order_command(order, order.saga_style(), services.seals, scope=scope, key=key)
    note_orders(request, command.request.order_id)
    async with one_at_a_time(services.in_flight, scope, key):
        await Placing(services).place([command])
    placed = _placed(command, services)
    response.headers["Location"] = placed.links.self
    finished = await _finished([placed], wait_s, request, response)
    return finished[0] if finished else placed


@router.post(
    "/order-pairs",
    status_code=202,
    response_model=None,
    responses=_responses(PlacedPair, FinishedPair),
    openapi_extra=_MAY_PLACE,
)
async def place_order_pair(  # noqa: PLR0913 - one argument per header or injected object
    order: Annotated[OrderPairBody, Body()],
    services: Injected,
    request: Request,
    response: Response,
    caller: InjectedCaller,
    *,
    key: IdempotencyKey = None,
    wait_s: WaitSeconds = None,
) -> PlacedPair | FinishedPair:
    """Place the same order twice, once in each style."""
    _refuse_other_customers(order, caller)
    commands = {
        style: place_order_command(order, style, services.seals, scope=caller.scoped(f"pairs/{style}"), key=key)
        for style in SagaStyle
    }
    note_orders(request, *(command.request.order_id for command in commands.values()))
    async with one_at_a_time(services.in_flight, caller.scoped("pairs"), key):
        await Placing(services).place(list(commands.values()))
    placed = {style.value: _placed(command, services) for style, command in commands.items()}
    finished = await _finished(list(placed.values()), wait_s, request, response)
    if finished:
        return FinishedPair(**{order.style: order for order in finished})
    return PlacedPair(**placed)


def _refuse_other_customers(order: OrderPairBody, caller: Caller) -> None:
    if caller.customer_id not in {None, order.customer_id}:
        raise Forbidden(f"this key places orders of the customer {caller.customer_id} only")


async def _finished(
    placed: Sequence[PlacedOrder], wait_s: int | None, request: Request, response: Response
) -> Sequence[FinishedOrder]:
    """Wait as long as the client prefers. Return the orders if all are finished then, and make the response a 200."""
    views = await ends_of([OrderId(order.order_id) for order in placed], wait_s, request) if wait_s else None
    if views is None:
        return ()
    response.headers["Preference-Applied"] = f"wait={wait_s}"
    if any(view.finished_at is None for view in views):
        return ()
    response.status_code = HTTPStatus.OK
    return [
        FinishedOrder.model_validate(order.model_dump() | {"status": view.status, "reason": view.reason})
        for order, view in zip(placed, views, strict=True)
    ]


def _placed(command: PlaceOrder, services: Dependencies) -> PlacedOrder:
    order_id = command.request.order_id
    links = Links(
        self=f"/orders/{order_id}",
        timeline=f"/orders/{order_id}/timeline",
        temporal_ui=services.temporal_ui.of_order(order_id, command.style),
    )
    return PlacedOrder(order_id=order_id, style=command.style.value, links=links)
