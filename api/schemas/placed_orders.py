"""The answers to a placed order."""

from typing import Literal

from pydantic import BaseModel

from services.intake.fields import StyleName


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
