"""The results of a run of the bench: the table in the terminal, the figures as JSON, the chart of one order's time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.breakdown_chart import time_chart
from bench.metrics import shown
from bench.paired_runs import Measured
from comparison.output import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """A whole run.

    Attributes:
        problems: sentences about what did not work.
        details: the breakdown of the figures, to find their causes.
        caveats: sentences that say why these figures deserve less trust.
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
        """Whether everything worked. A missed goal is not a problem."""
        return not self.problems


def show(run: BenchRun, console: Console, json_file: Path | None, chart_file: Path | None) -> None:
    """Write the files and print the table. No chart is written if the run failed before it timed an order alone."""
    # Files first: printing fails if the terminal has been closed, and the figures must survive that.
    if json_file is not None:
        write_text(json_file, json.dumps(as_json(run), indent=1) + "\n")
    if chart_file is not None and (chart := time_chart(run.details["seconds"])):
        write_text(chart_file, chart)
    console.print(table(run))
    for problem in run.problems:
        console.print(f"[red]{escape(problem)}[/red]")
    for caveat in run.caveats:
        console.print(f"[yellow]{escape(caveat)}[/yellow]")
    console.print("; ".join(f"{name} {escape(value)}" for name, value in run.machine.items()), style="dim")
    console.print(f"seed {run.seed}; {run.seconds:.0f} s; [bold]twinsaga bench --list[/bold] explains the figures")


def as_json(run: BenchRun) -> dict[str, Any]:
    """Seconds, bytes and rates are unrounded; `reached` is null for a figure without a goal."""
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


def table(run: BenchRun) -> Table:
    rows = Table(title="Ours, divided by the baseline beside it", box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    rows.add_column("figure", no_wrap=True)
    for title in ("ratio", "of pairs", "ours", "baseline", "goal"):
        rows.add_column(title, justify="right", no_wrap=True)
    rows.add_column("reached")
    for measured in run.measured:
        figure, (lowest, highest) = measured.figure, measured.spread
        rows.add_row(
            figure.name,
            f"{measured.ratio:.2f}",
            f"{lowest:.2f} to {highest:.2f}" if len(measured.pairs) > 1 else "",
            shown(measured.ours, figure.unit),
            shown(measured.baseline, figure.unit),
            str(figure.goal or ""),
            {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}[measured.reached],
        )
    return rows


def _figure(measured: Measured) -> dict[str, Any]:
    # Readers of the JSON know the baseline as the reference.
    figure, (lowest, highest) = measured.figure, measured.spread
    return {
        "ours_is": figure.ours,
        "reference_is": figure.baseline,
        "unit": figure.unit.value,
        "goal": str(figure.goal) if figure.goal else None,
        "reached": measured.reached,
        "ratio": measured.ratio,
        "lowest": lowest,
        "highest": highest,
        "ours": measured.ours,
        "reference": measured.baseline,
        "pairs": [{"ours": pair.ours, "reference": pair.baseline, "ratio": pair.ratio} for pair in measured.pairs],
    }
