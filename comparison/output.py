"""What a comparison leaves behind: tables in the terminal, the figures as JSON, the report."""

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from comparison.as_json import as_json
from comparison.columns import wrong_outcome
from comparison.report import report
from comparison.results import Comparison
from comparison.table import tables
from runtime.console import print_verdict


def show(comparison: Comparison, console: Console, *, json_file: Path | None, report_file: Path) -> None:
    """Write the files before anything is printed: a terminal that is gone must not cost them."""
    if json_file is not None:
        _write(json_file, json.dumps(as_json(comparison), indent=1) + "\n")
    _write(report_file, report(comparison))
    for table in tables(comparison):
        console.print(table)
    for trial, row in comparison.unexpected:
        console.print(f"[red]{escape(wrong_outcome(trial, row))}[/red]")
    print_verdict(comparison.audit, console)
    for caveat in comparison.caveats:
        console.print(f"[yellow]{escape(caveat)}[/yellow]")
    console.print(f"seed {comparison.seed}; what the columns mean, and how it was measured: {escape(str(report_file))}")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
