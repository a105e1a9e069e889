from functools import partial
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.callers import Callers
from api.dependencies import Dependencies, Injected
from api.event_streams import MEDIA_TYPE, Durations, TimelineStream, accepts_stream
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.live_orders import LiveOrders, Snapshot
from api.order_views import journals_of, view_and_timeline_of
from api.problems import documented
from api.routers.orders import OrderIdInPath, with_attempts_under_way
from api.schemas.order_views import Timeline
from api.timelines import timeline_of
from domain.ids import OrderId
from services.access.keys import Role

router = guarded_router(prefix="/orders", tags=["orders"])

_RESPONSES: dict[int | str, dict[str, Any]] = documented(404, 422, 503) | {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}},
    204: {"description": "The order is finished and `Last-Event-ID` is its last event: do not reconnect"},
}


@router.get(
    "/{order_id}/timeline",
    responses=_RESPONSES,
    response_model=Timeline,
    openapi_extra=only(Role.CUSTOMER, Role.OPERATOR),
)
async def show_timeline(  # noqa: PLR0913 - one argument per header or query parameter
    order_id: OrderIdInPath,
    services: Injected,
    request: Request,
    response: Response,
    caller: InjectedCaller,
    *,
    accept: Annotated[str | None, Header()] = None,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
    state: Annotated[
        bool, Query(description="In a stream: also send the order, as `event: order`, whenever it changed")
    ] = False,
) -> Timeline | Response:
    """Show the events of an order; with `Accept: text/event-stream` as a stream that continues until its end."""
    if not accepts_stream(accept):
        response.headers["Vary"] = "Accept"
        return await run_in_threadpool(_timeline, order_id, services)
    live: LiveOrders = request.app.state.live_orders
    durations: Durations = request.app.state.stream_durations
    callers: Callers = request.app.state.callers
    order = await live.find(order_id)
    position = order.position_after(last_event_id)
    if position and position == len(order.events) and order.over:
        return Response(status_code=204)  # browsers reconnect after any other answer
    stream = TimelineStream(
        live=live,
        order_id=order_id,
        order=order,
        position=position,
        state=state,
        durations=durations,
        is_still_admitted=partial(callers.is_still_admitted, caller),
    )
    return stream.response()


def live_orders(services: Dependencies) -> LiveOrders:
    return LiveOrders(partial(_read, services))


async def _read(services: Dependencies, order_id: OrderId) -> Snapshot:
    view, timeline = await run_in_threadpool(view_and_timeline_of, order_id, services)
    return Snapshot(view=await with_attempts_under_way(view, services), events=timeline.events)


def _timeline(order_id: OrderId, services: Dependencies) -> Timeline:
    services.order_records.find(order_id)  # raises UnknownOrder
    return timeline_of(event for journal in journals_of(order_id, services) for event in journal.events)
