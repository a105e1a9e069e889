"""Faults at the press of a button, where the API runs beside the other processes in the embedded stack. Only there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

ProcessState = Literal["running", "stopping", "stopped", "starting"]


@dataclass(frozen=True, slots=True)
class Neighbour:
    name: str
    state: ProcessState


class Controls(Protocol):
    """How to bring a fault about.

    Raises, from every method that takes a name:
        NotFound: no process of that name is under control.
        NotPossibleNow: it does not stand where this is possible.
    """

    def neighbours(self) -> Sequence[Neighbour]: ...

    def stop(self, name: str) -> None:
        """Let it finish what is in hand and leave. It stays away until it is started."""
        ...

    def start(self, name: str) -> None: ...

    def kill(self, name: str) -> None:
        """End it in the middle of whatever it does. It is started again by itself."""
        ...
