"""Stops, starts and kills neighbouring processes. The app has these routes only in the embedded stack."""

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from api.dependencies import Controls, Injected, Neighbour
from api.problems import documented_write
from services.intake.fields import Body

router = APIRouter(prefix="/controls", tags=["controls"])


class NeighbourList(BaseModel):
    processes: list[Neighbour]


class ActionBody(Body):
    action: Literal["stop", "start", "kill"]


def _controls(services: Injected) -> Controls:
    return cast("Controls", services.controls)


Given = Annotated[Controls, Depends(_controls)]


@router.get("")
def list_processes(controls: Given) -> NeighbourList:
    return NeighbourList(processes=list(controls.neighbours()))


@router.post("/{name}", status_code=202, responses=documented_write(404, 409, 422))
def act_on_process(name: str, body: ActionBody, controls: Given) -> NeighbourList:
    """Stop a process until it is started again, start it, or kill it. The list shows the new state a moment later."""
    actions = {"stop": controls.stop, "start": controls.start, "kill": controls.kill}
    actions[body.action](name)
    return list_processes(controls)
