"""Dead letters: messages of the choreography that were given up. Operators list them and redrive them."""

from typing import Annotated

from fastapi import Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.actions import recorded
from api.cursors import link_next_page
from api.dependencies import Dependencies, Injected
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.problems import CannotGoBack, NotFound, documented, documented_write
from api.schemas.dead_letters import LetterList, LetterView, RedriveBody, RedrivenView, bookmark_of, cursor_of
from domain.ids import OrderId
from messaging.dead_letters import LetterFilter
from services.access.keys import Role
from services.intake.fields import Text

router = guarded_router(prefix="/dead-letters", tags=["dead letters"])

PAGE = 50


@router.get("", responses=documented(422, 503), openapi_extra=only(Role.OPERATOR))
def list_dead_letters(  # noqa: PLR0913 - one argument a query parameter
    services: Injected,
    request: Request,
    response: Response,
    *,
    topic: Annotated[Text | None, Query(description="only letters that came from this topic")] = None,
    group: Annotated[Text | None, Query(description="only letters that this consumer group gave up")] = None,
    order_id: Text | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
) -> LetterList:
    """List dead letters, the oldest of each partition first. A page can be short although another one follows."""
    wanted = LetterFilter(topic=topic, group=group, correlation_key=order_id)
    page = services.dead_letters.page(wanted, limit, bookmark_of(cursor))
    following = cursor_of(page.following)
    link_next_page(request, response, following)
    return LetterList(items=[LetterView.of(letter) for letter in page.letters], next_cursor=following)


@router.get("/{topic}/{partition}/{offset}", responses=documented(404, 422, 503), openapi_extra=only(Role.OPERATOR))
def show_dead_letter(
    topic: str,
    partition: Annotated[int, Path(ge=0, lt=1 << 31)],
    offset: Annotated[int, Path(ge=0, lt=1 << 63)],
    services: Injected,
) -> LetterView:
    """Show one dead letter by its place, for example `inventory.dlq/0/17`."""
    place = f"{topic}/{partition}/{offset}"
    letter = services.dead_letters.find(place)
    if letter is None:
        raise _nothing_at(place)
    return LetterView.of(letter)


@router.post(
    "/redrive",
    status_code=202,
    responses=documented_write(404, 409, 422, 503),
    openapi_extra=only(Role.OPERATOR),
)
async def redrive_dead_letters(body: RedriveBody, services: Injected, caller: InjectedCaller) -> RedrivenView:
    """Send dead letters to their topics again, a bounded number per request.

    Repeating it is safe: a consumer that has handled an event drops it. A message that still fails comes back as a new
    dead letter.
    """
    wanted = body.filter.wanted() if body.filter else LetterFilter()
    order_id = OrderId(wanted.correlation_key) if wanted.correlation_key else None
    async with recorded(caller, services, "redrive", order_id=order_id, detail=body.place):
        return await run_in_threadpool(_redrive, body, wanted, services)


def _redrive(body: RedriveBody, wanted: LetterFilter, services: Dependencies) -> RedrivenView:
    if body.place is not None:
        return _redrive_one(body.place, services)
    return RedrivenView.of(services.dead_letters.redrive(wanted, bookmark_of(body.cursor)))


def _redrive_one(place: str, services: Dependencies) -> RedrivenView:
    redriven = services.dead_letters.redrive_one(place)
    if redriven is None:
        raise _nothing_at(place)
    if not redriven.sent:
        raise CannotGoBack(f"the dead letter at {place} has no value, or came from a topic that is not ours")
    return RedrivenView.of(redriven)


def _nothing_at(place: str) -> NotFound:
    return NotFound(f"there is no dead letter at {place}")
