"""Stops, starts and kills neighbouring processes. The app has these routes only in the embedded stack.

Only for programs and browsers on this machine, also if the API is given other host names.
"""

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from api.dependencies import Controls, Injected, Neighbour
from api.hosts import is_from_this_machine
from api.problems import OnlyFromHere, documented, documented_write
from services.intake.fields import Body

router = APIRouter(prefix="/controls", tags=["controls"])


class NeighbourList(BaseModel):
    processes: list[Neighbour]


class ActionBody(Body):
    action: Literal["stop", "start", "kill"]


async def _controls(request: Request, services: Injected) -> Controls:
    if not await is_from_this_machine(request.scope):
        raise OnlyFromHere("processes are controlled only from the machine on which they run")
    return cast("Controls", services.controls)


Given = Annotated[Controls, Depends(_controls)]


@router.get("", responses=documented(403))
def list_processes(controls: Given) -> NeighbourList:
    return NeighbourList(processes=list(controls.neighbours()))


@router.post("/{name}", status_code=202, responses=documented_write(404, 409, 422))
def act_on_process(name: str, body: ActionBody, controls: Given) -> NeighbourList:
    """Stop a process until it is started again, start it, or kill it. The list shows the new state a moment later."""
    actions = {"stop": controls.stop, "start": controls.start, "kill": controls.kill}
    actions[body.action](name)
    return list_processes(controls)
