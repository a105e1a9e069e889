"""The page: one template, a few static files, and the API for all that changes."""

from os import PathLike, stat_result
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.dependencies import Injected
from api.page import CHOICES

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
    "Cache-Control": "no-cache",  # asked for again, and answered 304 while it is the same
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
    ui = services.temporal_ui
    workflows = {"orchestrated": ui.workflow("order-saga/ORDER")}
    if ui.witnessed:
        workflows["choreographed"] = ui.workflow("choreography-witness/ORDER")
    shown: dict[str, Any] = {**CHOICES, "workflows": workflows, "controls": services.controls is not None}
    return _templates.TemplateResponse(request, "page.html", shown, headers=HEADERS)


class Assets(StaticFiles):
    def file_response(self, full_path: str | PathLike[str], stat_result: stat_result, *more: Any) -> Response:  # noqa: ANN401 - handed on
        response = super().file_response(full_path, stat_result, *more)
        response.headers.update(HEADERS)
        return response


assets = Assets(directory=STATIC)
