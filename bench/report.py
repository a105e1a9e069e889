"""A whole run, as JSON and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.goals import shown
from bench.samples import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """`problems`: what did not work, as sentences. `details`: what was seen on the way, for whoever wonders why.

    `caveats`: why these figures deserve less trust than others.
    """

    seed: int
    began: datetime
    seconds: float
    machine: Mapping[str, str]
    sizes: Mapping[str, int]
    measured: Sequence[Measured]
    problems: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    caveats: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether everything worked. A goal that was missed is no failure."""
        return not self.problems


def as_json(run: BenchRun) -> dict[str, Any]:
    """Seconds, bytes and rates as they were measured, unrounded; `reached` is null where there is no goal."""
    return {
        "ok": run.ok,
        "seed": run.seed,
        "began": run.began.isoformat(),
        "seconds": run.seconds,
        "machine": dict(run.machine),
        "sizes": dict(run.sizes),
        "caveats": list(run.caveats),
        "problems": list(run.problems),
        "figures": {measured.figure.name: _figure(measured) for measured in run.measured},
        "details": dict(run.details),
    }


def _figure(measured: Measured) -> dict[str, Any]:
    figure, (lowest, highest) = measured.figure, measured.spread
    return {
        "ours_is": figure.ours,
        "reference_is": figure.reference,
        "unit": figure.unit.value,
        "goal": str(figure.goal) if figure.goal else None,
        "reached": measured.reached,
        "ratio": measured.ratio,
        "lowest": lowest,
        "highest": highest,
        "ours": measured.ours,
        "reference": measured.reference,
        "pairs": [{"ours": pair.ours, "reference": pair.reference, "ratio": pair.ratio} for pair in measured.pairs],
    }


def table(run: BenchRun) -> Table:
    rows = Table(
        title="Ours, divided by the reference beside it", box=SIMPLE_HEAD, pad_edge=False, title_justify="left"
    )
    rows.add_column("figure", no_wrap=True)
    for title in ("ratio", "of pairs", "ours", "reference", "goal"):
        rows.add_column(title, justify="right", no_wrap=True)
    rows.add_column("reached")
    for measured in run.measured:
        figure, (lowest, highest) = measured.figure, measured.spread
        rows.add_row(
            figure.name,
            f"{measured.ratio:.2f}",
            f"{lowest:.2f} to {highest:.2f}" if len(measured.pairs) > 1 else "",
            shown(measured.ours, figure.unit),
            shown(measured.reference, figure.unit),
            str(figure.goal or ""),
            {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}[measured.reached],
        )
    return rows
