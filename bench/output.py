"""What a run leaves behind: the table in the terminal, the figures as JSON, the picture of one order's time."""

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bench.breakdown_chart import time_chart
from bench.report import BenchRun, as_json, table


def show(run: BenchRun, console: Console, json_file: Path | None, chart_file: Path | None) -> None:
    """Write the files before anything is printed: a terminal that is gone must not cost them."""
    if json_file is not None:
        _write(json_file, json.dumps(as_json(run), indent=1) + "\n")
    if chart_file is not None and (chart := time_chart(run.details["seconds"])):  # a run that failed has perhaps none
        _write(chart_file, chart)
    console.print(table(run))
    for problem in run.problems:
        console.print(f"[red]{escape(problem)}[/red]")
    for caveat in run.caveats:
        console.print(f"[yellow]{escape(caveat)}[/yellow]")
    console.print("; ".join(f"{name} {escape(value)}" for name, value in run.machine.items()), style="dim")
    console.print(f"seed {run.seed}; {run.seconds:.0f} s; what is measured: [bold]twinsaga bench --list[/bold]")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
