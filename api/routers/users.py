from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4, uuid5

from fastapi import BackgroundTasks, Body, Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import Injected
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.idempotency import IdempotencyKey, one_at_a_time
from api.problems import NotFound, ReusedKey, documented, documented_write
from api.schemas.estate import UserBody, UserView
from domain.ids import is_own_id
from services.access.keys import Role
from services.estate.records import User
from services.intake.order_body import fingerprint_of

router = guarded_router(prefix="/users", tags=["estate"])

_USERS = UUID("6d7b1a5e-2f57-5a3c-8f0e-3f7d1c2b9a41")


@router.post("", status_code=201, responses=documented_write(409, 422, 503), openapi_extra=only(Role.OPERATOR))
async def create_user(
    body: Annotated[UserBody, Body()],
    services: Injected,
    response: Response,
    afterwards: BackgroundTasks,
    key: IdempotencyKey = None,
) -> UserView:
    """Store a user. Celery sends the welcome mail."""
    user = User(
        user_id=str(uuid5(_USERS, key) if key else uuid4()),
        name=body.name,
        email=body.email,
        fingerprint=fingerprint_of(body),
        created_at=datetime.now(UTC),
    )
    async with one_at_a_time(services.in_flight, "users", key):
        stored = await run_in_threadpool(services.accounts.register, user)
    if stored.fingerprint != user.fingerprint:
        raise ReusedKey
    if stored == user:
        afterwards.add_task(services.accounts.send_promised_mail, user)
    response.headers["Location"] = f"/users/{stored.user_id}"
    return UserView.of(stored)


@router.get("/{user_id}", responses=documented(404, 503), openapi_extra=only(Role.CUSTOMER, Role.OPERATOR))
def show_user(user_id: str, services: Injected, caller: InjectedCaller) -> UserView:
    visible = is_own_id(user_id) and caller.customer_id in {None, user_id}
    user = services.accounts.find(user_id) if visible else None
    if user is None:
        raise NotFound(f"no user has the id {user_id}")
    return UserView.of(user)
