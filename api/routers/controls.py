"""Stops, starts and kills neighbouring processes. The app has these routes only in the embedded stack.

Only for programs and browsers on this machine, also if the API is given other host names.
"""

from typing import Annotated, Literal, cast

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.actions import recorded
from api.dependencies import Controls, Injected, Neighbour
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.hosts import is_from_this_machine
from api.problems import OnlyFromHere, documented, documented_write
from services.access.keys import Role
from services.intake.fields import Body

router = guarded_router(prefix="/controls", tags=["controls"])


class NeighbourList(BaseModel):
    processes: list[Neighbour]


class ActionBody(Body):
    action: Literal["stop", "start", "kill"]


async def _controls(request: Request, services: Injected) -> Controls:
    if not await is_from_this_machine(request.scope):
        raise OnlyFromHere("processes are controlled only from the machine on which they run")
    return cast("Controls", services.controls)


Given = Annotated[Controls, Depends(_controls)]


@router.get("", responses=documented(403), openapi_extra=only(Role.ADMIN))
def list_processes(controls: Given) -> NeighbourList:
    return NeighbourList(processes=list(controls.neighbours()))


@router.post("/{name}", status_code=202, responses=documented_write(404, 409, 422), openapi_extra=only(Role.ADMIN))
async def act_on_process(
    name: str, body: ActionBody, controls: Given, services: Injected, caller: InjectedCaller
) -> NeighbourList:
    """Stop a process until it is started again, start it, or kill it. The list shows the new state a moment later."""
    actions = {"stop": controls.stop, "start": controls.start, "kill": controls.kill}
    async with recorded(caller, services, f"{body.action} process", detail=name):
        await run_in_threadpool(actions[body.action], name)
    return await run_in_threadpool(list_processes, controls)
