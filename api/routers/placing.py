from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel

from api.dependencies import Dependencies, Injected
from api.idempotency import IdempotencyKey, one_at_a_time
from api.order_placement import Placing
from api.preferences import WaitSeconds, ends_of
from api.problems import documented_write
from api.request_metrics import note_orders
from domain.commands import PlaceOrder
from domain.ids import OrderId
from domain.order import SagaStyle
from services.intake.fields import StyleName
from services.intake.order_body import OrderBody, OrderPairBody, place_order_command

router = APIRouter(tags=["orders"])


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


@router.post("/orders", status_code=202, response_model=None, responses=_responses(PlacedOrder, FinishedOrder))
async def place_order(
    order: Annotated[OrderBody, Body()],
    services: Injected,
    request: Request,
    response: Response,
    key: IdempotencyKey = None,
    wait_s: WaitSeconds = None,
) -> PlacedOrder | FinishedOrder:
    """Place one order. The link `self` shows its progress."""
    command = place_order_command(order, order.saga_style(), services.seals, scope="orders", key=key)
    note_orders(request, command.request.order_id)
    async with one_at_a_time(services.in_flight, "orders", key):
        await Placing(services).place([command])
    placed = _placed(command, services)
    response.headers["Location"] = placed.links.self
    finished = await _finished([placed], wait_s, request, response)
    return finished[0] if finished else placed


@router.post("/order-pairs", status_code=202, response_model=None, responses=_responses(PlacedPair, FinishedPair))
async def place_order_pair(
    order: Annotated[OrderPairBody, Body()],
    services: Injected,
    request: Request,
    response: Response,
    key: IdempotencyKey = None,
    wait_s: WaitSeconds = None,
) -> PlacedPair | FinishedPair:
    """Place the same order twice, once in each style."""
    commands = {
        style: place_order_command(order, style, services.seals, scope=f"pairs/{style}", key=key) for style in SagaStyle
    }
    note_orders(request, *(command.request.order_id for command in commands.values()))
    async with one_at_a_time(services.in_flight, "pairs", key):
        await Placing(services).place(list(commands.values()))
    placed = {style.value: _placed(command, services) for style, command in commands.items()}
    finished = await _finished(list(placed.values()), wait_s, request, response)
    if finished:
        return FinishedPair(**{order.style: order for order in finished})
    return PlacedPair(**placed)


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
