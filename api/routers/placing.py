from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel

from api.dependencies import Dependencies, Injected
from api.idempotency import IdempotencyKey, one_at_a_time
from api.order_placement import Placing
from api.problems import documented_write
from domain.commands import PlaceOrder
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


class PlacedPair(BaseModel):
    orchestrated: PlacedOrder
    choreographed: PlacedOrder


@router.post("/orders", status_code=202, responses=documented_write(409, 422, 503))
async def place_order(
    order: Annotated[OrderBody, Body()],
    services: Injected,
    request: Request,
    response: Response,
    key: IdempotencyKey = None,
) -> PlacedOrder:
    """Place one order. The link `self` shows its progress."""
    command = place_order_command(order, order.saga_style(), scope="orders", key=key)
    request.state.order_ids = command.request.order_id
    async with one_at_a_time(services.in_flight, "orders", key):
        await Placing(services).place([command])
    placed = _placed(command, services)
    response.headers["Location"] = placed.links.self
    return placed


@router.post("/order-pairs", status_code=202, responses=documented_write(409, 422, 503))
async def place_order_pair(
    order: Annotated[OrderPairBody, Body()], services: Injected, request: Request, key: IdempotencyKey = None
) -> PlacedPair:
    """Place the same order twice, once in each style."""
    commands = {style: place_order_command(order, style, scope=f"pairs/{style}", key=key) for style in SagaStyle}
    request.state.order_ids = [command.request.order_id for command in commands.values()]
    async with one_at_a_time(services.in_flight, "pairs", key):
        await Placing(services).place(list(commands.values()))
    return PlacedPair(
        orchestrated=_placed(commands[SagaStyle.ORCHESTRATED], services),
        choreographed=_placed(commands[SagaStyle.CHOREOGRAPHED], services),
    )


def _placed(command: PlaceOrder, services: Dependencies) -> PlacedOrder:
    order_id = command.request.order_id
    links = Links(
        self=f"/orders/{order_id}",
        timeline=f"/orders/{order_id}/timeline",
        temporal_ui=services.temporal_ui.of_order(order_id, command.style),
    )
    return PlacedOrder(order_id=order_id, style=command.style.value, links=links)
