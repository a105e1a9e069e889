"""What a run leaves behind: the table in the terminal, the figures as JSON."""

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from comparison.bench.results import BenchRun, as_json, table


def show(run: BenchRun, console: Console, json_file: Path | None) -> None:
    """Write the file before anything is printed: a terminal that is gone must not cost it."""
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(as_json(run), indent=1) + "\n")
    console.print(table(run))
    for problem in run.problems:
        console.print(f"[red]{escape(problem)}[/red]")
    for caveat in run.caveats:
        console.print(f"[yellow]{escape(caveat)}[/yellow]")
    console.print("; ".join(f"{name} {escape(value)}" for name, value in run.machine.items()), style="dim")
    console.print(f"seed {run.seed}; {run.seconds:.0f} s; what is measured: [bold]twinsaga bench --list[/bold]")
