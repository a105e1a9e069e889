"""Stop, start and kill neighbours. The app has these routes only where it was given something to control."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends

from api.dependencies import Injected
from api.problems import documented
from api.process_control import Controls
from api.schemas.controls import ActionBody, NeighbourList, NeighbourView

router = APIRouter(prefix="/controls", tags=["controls"])

ACCEPTED = 202


def _controls(services: Injected) -> Controls:
    return cast("Controls", services.controls)


Given = Annotated[Controls, Depends(_controls)]


@router.get("")
def show_processes(controls: Given) -> NeighbourList:
    return _shown(controls)


@router.post("/{name}", status_code=ACCEPTED, responses=documented(404, 409, 422))
def act_on_process(name: str, body: ActionBody, controls: Given) -> NeighbourList:
    """Let a process leave until it is started, or kill it. What became of it is seen in the list, a moment later."""
    actions = {"stop": controls.stop, "start": controls.start, "kill": controls.kill}
    actions[body.action](name)
    return _shown(controls)


def _shown(controls: Controls) -> NeighbourList:
    return NeighbourList(processes=[NeighbourView(name=each.name, state=each.state) for each in controls.neighbours()])
