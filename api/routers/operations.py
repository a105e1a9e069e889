import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.dependencies import Injected, Probe
from api.problems import documented
from api.schemas.operations import Alive, DependencyView, Readiness, VerdictView, ViolationView

router = APIRouter(tags=["operations"])

NOT_READY = 503


@router.get("/healthz")
async def healthz() -> Alive:
    """Say that the process runs."""
    return Alive()


@router.get("/readyz", responses={NOT_READY: {"model": Readiness, "description": "Something does not answer"}})
async def readyz(services: Injected, response: Response) -> Readiness:
    """Say of each dependency whether it answers."""
    answers = await asyncio.gather(*(_asked(probe, services.probe_deadline_s) for probe in services.probes))
    readiness = Readiness(
        ready=all(answer.answers for answer in answers),
        dependencies={probe.name: answer for probe, answer in zip(services.probes, answers, strict=True)},
    )
    if not readiness.ready:
        response.status_code = NOT_READY
    return readiness


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    return Response(generate_latest(request.app.state.measures.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/audit", responses=documented(503))
def show_audit(services: Injected) -> VerdictView:
    """Check every order and every SKU over all databases."""
    verdict = services.audit()
    return VerdictView(
        ok=verdict.ok,
        orders_checked=verdict.orders_checked,
        orders_pending=verdict.orders_pending,
        broken=[
            ViolationView(order_id=broken.order_id, invariant=broken.invariant, detail=broken.detail)
            for broken in verdict.broken
        ],
    )


async def _asked(probe: Probe, deadline_s: float) -> DependencyView:
    try:
        async with asyncio.timeout(deadline_s):
            await probe.ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
        return DependencyView(answers=False, error=type(error).__name__)
    return DependencyView(answers=True, error=None)
