from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import Dependencies, Injected
from api.event_streams import MEDIA_TYPE, Durations, Telling, wants_stream
from api.live_orders import LiveOrders, Look
from api.order_views import journals_of, view_and_timeline_of
from api.problems import documented
from api.routers.orders import OrderIdInPath, with_attempts_under_way
from api.schemas.order_views import Timeline
from api.timelines import timeline_of
from domain.ids import OrderId

router = APIRouter(prefix="/orders", tags=["orders"])

NO_CONTENT = 204
_ANSWERS: dict[int | str, dict[str, Any]] = documented(404, 503) | {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
    NO_CONTENT: {"description": "The order is at its end and `Last-Event-ID` was its last event: do not come back"},
}


@router.get("/{order_id}/timeline", responses=_ANSWERS, response_model=Timeline)
async def show_timeline(  # noqa: PLR0913 - one argument a header or query parameter
    order_id: OrderIdInPath,
    services: Injected,
    request: Request,
    response: Response,
    *,
    accept: Annotated[str | None, Header()] = None,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
    state: Annotated[
        bool, Query(description="In a stream: also send the order, as `event: order`, whenever it changed")
    ] = False,
) -> Timeline | Response:
    """Tell what happened to an order; with `Accept: text/event-stream` also what happens from now on, until its end."""
    if not wants_stream(accept):
        response.headers["Vary"] = "Accept"
        return await run_in_threadpool(_timeline, order_id, services)
    live: LiveOrders = request.app.state.live_orders
    durations: Durations = request.app.state.stream_durations
    order = await live.find(order_id)
    place = order.place_after(last_event_id)
    if place and place == len(order.told) and order.over:
        return Response(status_code=NO_CONTENT)
    return Telling(live=live, order_id=order_id, order=order, place=place, state=state, durations=durations).response()


def live_orders(services: Dependencies) -> LiveOrders:
    return LiveOrders(partial(_look, services))


async def _look(services: Dependencies, order_id: OrderId) -> Look:
    view, timeline = await run_in_threadpool(view_and_timeline_of, order_id, services)
    return Look(view=await with_attempts_under_way(view, services), events=timeline.events)


def _timeline(order_id: OrderId, services: Dependencies) -> Timeline:
    services.order_records.find(order_id)
    return timeline_of(event for journal in journals_of(order_id, services) for event in journal.events)
