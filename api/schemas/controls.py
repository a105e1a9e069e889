from typing import Literal

from pydantic import BaseModel

from api.process_control import ProcessState
from services.intake.fields import Body


class NeighbourView(BaseModel):
    name: str
    state: ProcessState


class NeighbourList(BaseModel):
    processes: list[NeighbourView]


class ActionBody(Body):
    action: Literal["stop", "start", "kill"]
