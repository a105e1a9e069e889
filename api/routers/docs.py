"""`/docs`: Swagger UI, with all of its files from the package `fastapi-swagger`. FastAPI's own page loads a CDN's."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.guarded_routes import PUBLIC, guarded_router
from api.routers.page import FROM_HERE, Assets, templates
from api.security_headers import policy_with

router = guarded_router()

# Swagger UI sets styles in its elements, and its stylesheet contains pictures.
HEADERS = policy_with(**FROM_HERE | {"style_src": "'self' 'unsafe-inline'", "img_src": "'self' data:"})

assets = Assets(packages=[("fastapi_swagger", "resources")])


@router.get("/docs", include_in_schema=False, openapi_extra=PUBLIC)
def show_docs(request: Request) -> HTMLResponse:
    return templates.TemplateResponse(request, "docs.html", headers=HEADERS)
