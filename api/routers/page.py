"""The page: one template and a few static files. Everything that changes comes from the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, stat_result
from pathlib import Path
from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.dependencies import Injected
from choreography.routing import ROUTING, tag_of
from domain.money import MINOR_UNIT_DIGITS
from domain.order import STEPS, SagaStyle, Step
from services.intake.fields import CardToken, StatusName
from services.shipping.service import UNDELIVERABLE_POSTAL_CODE

router = APIRouter()

_FOLDER = Path(__file__).parents[1]
STATIC = _FOLDER / "static"

_NOTHING_ELSE = ("default-src", "base-uri", "form-action", "frame-ancestors")
_FROM_HERE = ("script-src", "style-src", "img-src", "connect-src")
POLICY = "; ".join([f"{kind} 'none'" for kind in _NOTHING_ELSE] + [f"{kind} 'self'" for kind in _FROM_HERE])
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # the browser revalidates, and gets a 304 while the file is unchanged
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoProduct:
    """A product that the page stocks before its first order. `price` is in cents of BRL."""

    sku: str
    name: str
    price: int
    on_hand: int


PRODUCTS = (
    DemoProduct(sku="PAGE-COFFEE", name="Coffee, 1 kg", price=3_490, on_hand=100_000),
    DemoProduct(sku="PAGE-MUG", name="Mug", price=1_250, on_hand=100_000),
    DemoProduct(sku="PAGE-GRINDER", name="Grinder, sold out", price=18_900, on_hand=0),
)

CARDS: Mapping[CardToken, str] = {
    "tok_visa": "succeeds",
    "tok_chargeDeclined": "is declined",
    "tok_insufficientFunds": "has insufficient funds",
    "tok_gatewayFlaky": "fails twice, then succeeds",
    "tok_chargedThenTimeout": "succeeds, but the answer is lost",
    "tok_refundFlaky": "succeeds; its refund fails twice",
    "tok_refundFails": "succeeds; its refund fails until an operator retries it",
}

STYLES = {
    SagaStyle.ORCHESTRATED.value: "One workflow sends commands to each service, and compensates in reverse order.",
    SagaStyle.CHOREOGRAPHED.value: "No coordinator: each service reacts to the events of the others.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    name: Step
    words: str
    compensation: bool


def _reactions() -> Mapping[str, Sequence[str]]:
    """The services that react to each event type: where its message goes."""
    found: dict[str, list[str]] = {}
    for service, policies in ROUTING.items():
        for event in policies:
            found.setdefault(tag_of(event), []).append(service)
    return found


CHOICES = {
    "products": PRODUCTS,
    "cards": CARDS,
    "styles": STYLES,
    "statuses": get_args(StatusName),
    "steps": [
        StepRow(name=step, words=step.replace("_", " ").capitalize(), compensation=step not in STEPS) for step in Step
    ],
    "reactions": _reactions(),
    "minor_unit_digits": MINOR_UNIT_DIGITS,
    "undeliverable": UNDELIVERABLE_POSTAL_CODE,
}

_templates = Jinja2Templates(
    env=Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
)


@router.get("/", include_in_schema=False)
def show_page(request: Request, services: Injected) -> HTMLResponse:
    links = {style: services.temporal_ui.of_order("ORDER", style) for style in SagaStyle}
    workflows = {style: link for style, link in links.items() if link}
    shown: dict[str, Any] = {**CHOICES, "workflows": workflows, "controls": services.controls is not None}
    return _templates.TemplateResponse(request, "page.html", shown, headers=HEADERS)


class Assets(StaticFiles):
    def file_response(self, full_path: str | PathLike[str], stat_result: stat_result, *more: Any) -> Response:  # noqa: ANN401 - passed on
        response = super().file_response(full_path, stat_result, *more)
        response.headers.update(HEADERS)
        return response


assets = Assets(directory=STATIC)
