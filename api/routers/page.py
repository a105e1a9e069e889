"""The page: one template and a few static files. Everything that changes comes from the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from os import PathLike, stat_result
from pathlib import Path
from typing import Any, get_args

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.callers import Callers
from api.dependencies import Injected
from api.guarded_routes import PUBLIC, guarded_router
from api.hosts import is_from_this_machine
from api.languages import LANGUAGES, keep_choice, wording_for
from api.security_headers import policy_with
from choreography.routing import ROUTING
from domain.money import MINOR_UNIT_DIGITS
from domain.order import STEPS, SagaStyle, Step
from messaging.vocabulary import tag_of
from services.intake.fields import CardToken, StatusName
from services.shipping.service import UNDELIVERABLE_POSTAL_CODE

router = guarded_router()

_FOLDER = Path(__file__).parents[1]
STATIC = _FOLDER / "static"

FROM_HERE = dict.fromkeys(("script_src", "style_src", "img_src", "connect_src"), "'self'")
_REVALIDATED = {"Cache-Control": "no-cache"}
"""The browser asks again, and gets a 304 while the file is unchanged."""
_PERSONAL = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
"""Without a referrer, browsers send forms with `Origin: null`; over plain HTTP nothing else says that they are ours."""
HEADERS = policy_with(**FROM_HERE, form_action="'self'") | _PERSONAL
_SIGN_IN_HEADERS = HEADERS | policy_with(style_src="'self'", img_src="'self'", form_action="'self'")


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
    "steps": [StepRow(name=step, words=step.replace("_", " "), compensation=step not in STEPS) for step in Step],
    "reactions": _reactions(),
    "minor_unit_digits": MINOR_UNIT_DIGITS,
    "undeliverable": UNDELIVERABLE_POSTAL_CODE,
}

templates = Jinja2Templates(
    env=Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
)


@router.get("/", include_in_schema=False, openapi_extra=PUBLIC)
async def show_page(request: Request, services: Injected) -> HTMLResponse:
    callers: Callers = request.app.state.callers
    by_itself = await callers.page_works_by_itself(request)
    user = None if by_itself else await callers.signed_in(request)
    if not by_itself and user is None:
        return show_sign_in(request)
    links = {style: services.temporal_ui.of_order("ORDER", style) for style in SagaStyle}
    workflows = {style: link for style, link in links.items() if link}
    controls = services.controls is not None and await is_from_this_machine(request.scope)
    links_out = {"workflows": workflows, "trace_ui": services.traces.ui}
    shown: dict[str, Any] = {**CHOICES, **links_out, **_in_language(request), "controls": controls, "user": user}
    page = templates.TemplateResponse(request, "page.html", shown, headers=HEADERS)
    keep_choice(request, page)
    if by_itself:
        callers.set_page_cookie(page)
    return page


def _in_language(request: Request) -> dict[str, Any]:
    return {"say": wording_for(request), "languages": LANGUAGES}


def show_sign_in(
    request: Request,
    problem: str | None = None,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    sent = {**_SIGN_IN_HEADERS, **(headers or {})}
    shown = {"problem": problem, **_in_language(request)}
    page = templates.TemplateResponse(request, "sign-in.html", shown, status, headers=sent)
    keep_choice(request, page)
    return page


class Assets(StaticFiles):
    def file_response(self, full_path: str | PathLike[str], stat_result: stat_result, *more: Any) -> Response:  # noqa: ANN401 - passed on
        response = super().file_response(full_path, stat_result, *more)
        response.headers.update(_REVALIDATED)
        return response


assets = Assets(directory=STATIC)
