import asyncio
from typing import Literal

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api.dependencies import Injected, Probe
from api.guarded_routes import PUBLIC, guarded_router, only
from api.problems import documented
from services.access.keys import Role
from services.audit.invariants import Violation

router = guarded_router(tags=["operations"])


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class DependencyView(BaseModel):
    """`error`: the class of the error if the dependency does not answer."""

    answers: bool
    error: str | None


class Readiness(BaseModel):
    ready: bool
    dependencies: dict[str, DependencyView]


class VerdictView(BaseModel):
    """`orders_written_off`: orders that do not exist, whose records an operator has settled by `twinsaga write-off`.

    In `broken`, `order_id` is null for an invariant that is not about one order, such as the count of a SKU.
    """

    ok: bool
    orders_checked: int
    orders_pending: int
    orders_written_off: int
    broken: list[Violation]


@router.get("/healthz", openapi_extra=PUBLIC)
async def healthz() -> Alive:
    """Report that the process runs."""
    return Alive()


@router.get(
    "/readyz",
    responses={503: {"model": Readiness, "description": "A dependency does not answer"}},
    openapi_extra=PUBLIC,
)
async def readyz(services: Injected, response: Response) -> Readiness:
    """Report for each dependency whether it answers."""
    answers = await asyncio.gather(*(_probe(probe, services.probe_deadline_s) for probe in services.probes))
    readiness = Readiness(
        ready=all(answer.answers for answer in answers),
        dependencies={probe.name: answer for probe, answer in zip(services.probes, answers, strict=True)},
    )
    if not readiness.ready:
        response.status_code = 503
    return readiness


@router.get("/metrics", include_in_schema=False, openapi_extra=PUBLIC)
async def metrics(request: Request) -> Response:
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/audit", responses=documented(503), openapi_extra=only(Role.OPERATOR))
def show_audit(services: Injected) -> VerdictView:
    """Check the invariants of every order and every SKU over all databases."""
    return VerdictView.model_validate(services.audit(), from_attributes=True)


async def _probe(probe: Probe, deadline_s: float) -> DependencyView:
    try:
        async with asyncio.timeout(deadline_s):
            await probe.ask()
    except Exception as error:  # noqa: BLE001 - any error means that the dependency does not answer
        return DependencyView(answers=False, error=type(error).__name__)
    return DependencyView(answers=True, error=None)
