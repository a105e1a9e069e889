from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.cursors import decode_cursor, encode_cursor, link_next_page
from api.dependencies import Dependencies, Injected
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.order_views import summary_of, view_of, with_attempts
from api.problems import documented
from api.request_metrics import note_orders
from api.schemas.order_views import OrderPage, OrderView
from domain.errors import UnknownOrder
from domain.ids import OrderId, is_own_id
from domain.order import OrderStatus, SagaStyle
from services.access.keys import Role
from services.intake.fields import StatusName, StyleName
from services.orders.store import OrderFilter

router = guarded_router(prefix="/orders", tags=["orders"])

PAGE = 50
SLOW = timedelta(seconds=2)
"""An order that takes longer may have failed attempts, so the engine is queried, too. Other reads save that call."""


async def visible(order_id: str, request: Request, services: Injected, caller: InjectedCaller) -> OrderId:
    """Refuse the order of another customer as if it did not exist, and an id that no order can have without a query."""
    if not is_own_id(order_id):
        raise UnknownOrder(OrderId(order_id))
    note_orders(request, order_id)
    if caller.customer_id is not None:
        record = await run_in_threadpool(services.order_records.find, OrderId(order_id))
        if record.request.customer_id != caller.customer_id:
            raise UnknownOrder(OrderId(order_id))
    return OrderId(order_id)


OrderIdInPath = Annotated[OrderId, Depends(visible)]


@router.get("/{order_id}", responses=documented(404, 503), openapi_extra=only(Role.CUSTOMER, Role.OPERATOR))
async def show_order(order_id: OrderIdInPath, services: Injected) -> OrderView:
    return await with_attempts_under_way(await run_in_threadpool(view_of, order_id, services), services)


async def with_attempts_under_way(view: OrderView, services: Dependencies) -> OrderView:
    if view.finished_at is not None or datetime.now(UTC) - view.placed_at < SLOW:
        return view
    control = services.order_controls[SagaStyle(view.style)]
    return with_attempts(view, await control.attempts_under_way(OrderId(view.order_id)))


@router.get("", responses=documented(422, 503), openapi_extra=only(Role.CUSTOMER, Role.OPERATOR))
def list_orders(  # noqa: PLR0913 - one argument a query parameter
    services: Injected,
    request: Request,
    response: Response,
    caller: InjectedCaller,
    *,
    style: StyleName | None = None,
    status: StatusName | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
) -> OrderPage:
    """List orders, newest first. The header `Link` contains the address of the next page."""
    wanted = OrderFilter(
        limit=limit + 1,
        style=SagaStyle(style) if style else None,
        status=OrderStatus(status) if status else None,
        customer_id=caller.customer_id,
        before=decode_cursor(cursor, _position) if cursor else None,
    )
    found = services.order_records.page(wanted)
    page = found[:limit]
    # One more than the page was read, which shows whether another page follows.
    last = page[-1] if len(found) > limit else None
    following = encode_cursor(last.placed_at.astimezone(UTC).isoformat(), last.request.order_id) if last else None
    link_next_page(request, response, following)
    return OrderPage(items=[summary_of(record) for record in page], next_cursor=following)


def _position(placed_at: str, order_id: str) -> tuple[datetime, OrderId]:
    return datetime.fromisoformat(placed_at).astimezone(UTC), OrderId(str(UUID(order_id)))
