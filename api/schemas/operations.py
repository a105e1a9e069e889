"""What operators ask for."""

from typing import Literal

from pydantic import BaseModel

from services.intake.fields import Body, Text


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class DependencyView(BaseModel):
    """`error` names what went wrong while asking."""

    answers: bool
    error: str | None


class Readiness(BaseModel):
    ready: bool
    dependencies: dict[str, DependencyView]


class ViolationView(BaseModel):
    """`order_id` is None where no single order is concerned, such as the count of a SKU."""

    order_id: str | None
    invariant: str
    detail: str


class VerdictView(BaseModel):
    ok: bool
    orders_checked: int
    orders_pending: int
    broken: list[ViolationView]


class Accepted(BaseModel):
    order_id: str
    status: Literal["accepted"] = "accepted"


class SettlementBody(Body):
    order_id: Text
    status: Literal["settled"]
