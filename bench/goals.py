"""What a figure is counted in, and what it has to reach."""

from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024
GIB = 1024 * MIB


class Unit(StrEnum):
    PER_SECOND = "per second"
    SECONDS = "seconds"
    BYTES = "bytes"


def shown(value: float, unit: Unit) -> str:
    """For a reader: rates by the second, times in milliseconds, memory in MiB."""
    match unit:
        case Unit.PER_SECOND:
            return f"{value:,.1f}/s"
        case Unit.SECONDS:
            return f"{value * 1000:,.1f} ms"
        case Unit.BYTES:
            return f"{value / MIB:,.0f} MiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound of the ratio. `least`: it must be at least that; at most otherwise."""

    bound: float
    least: bool = False

    def reached_by(self, ratio: float) -> bool:
        return ratio >= self.bound if self.least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='} {self.bound:g}"


def at_least(bound: float) -> Goal:
    return Goal(bound=bound, least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound=bound)
