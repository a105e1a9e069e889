"""Terminal output of the commands: tables, progress, the state of the stack, the audit's verdict."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.audit.invariants import Verdict

TITLES = {
    "api": "API and page",
    "temporal_ui": "Temporal UI",
    "flower": "Flower",
    "mail": "Mail",
    "codec_server": "Codec server",
    "codec_token_file": "Its token",
    "temporal": "Temporal",
    "kafka": "Kafka",
    "redis": "Redis",
    "api_key": "API key",
}
TABLE_WIDTH = 120
VIOLATIONS_SHOWN = 20


def table_console() -> Console:
    """A console for tables. A narrower terminal wraps whole lines, so that no cell is truncated."""
    console = Console(highlight=False)
    return console if console.width >= TABLE_WIDTH else Console(highlight=False, width=TABLE_WIDTH)


def progress_bar(console: Console, title: str = "{task.description}") -> Progress:
    return Progress(TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)


class ConsoleReporter:
    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)

    def _print(self, *shown: Any, style: str | None = None) -> None:  # noqa: ANN401 - whatever rich can show
        # A terminal that was closed, or a full disk behind the output, must not end the stack.
        with suppress(OSError):
            self._console.print(*shown, style=style)

    def starting(self, names: list[str]) -> None:
        self._print(f"Starting {', '.join(names)}")

    def ready(self, content: Mapping[str, Any], seconds: float) -> None:
        table = Table(box=None, show_header=False, pad_edge=False)
        for key, title in (TITLES | {"data": "Data and logs"}).items():
            if key in content:
                table.add_row(title, _without_password(str(content[key])), style="bold" if key == "api" else None)
        self._print(f"[green]Ready[/green] after {seconds:.1f} s. Press Ctrl-C to stop everything.")
        self._print(table)

    def stopping(self) -> None:
        self._print("Stopping. Press Ctrl-C again to kill.")

    def died(self, name: str, how: str, last_lines: list[str], pause_seconds: float) -> None:
        self._print(f"[red]{name} died[/red] ({how}); restart in {pause_seconds:g} s. Its last log lines:")
        for line in last_lines or ["(none)"]:
            self._print(f"    {escape(line)}", style="dim")

    def held(self, name: str) -> None:
        self._print(f"[yellow]{name} was stopped[/yellow] and waits to be started from the page")

    def restarted(self, name: str, pid: int) -> None:
        self._print(f"[green]{name} answers again[/green] (process {pid})")

    def had_to_be_killed(self, name: str) -> None:
        self._print(f"[yellow]{name} did not stop in time and was killed[/yellow]")


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """Return the body of `GET /audit`."""
    return {
        "ok": verdict.ok,
        "orders_checked": verdict.orders_checked,
        "orders_pending": verdict.orders_pending,
        "orders_written_off": verdict.orders_written_off,
        "broken": [asdict(violation) for violation in verdict.broken],
    }


def print_verdict(verdict: Mapping[str, Any], console: Console) -> None:
    """`verdict` is the body of `GET /audit`."""
    checked = f"{verdict['orders_checked']} orders checked, {verdict['orders_pending']} still pending"
    if written_off := verdict.get("orders_written_off"):
        checked += f", {written_off} written off"
    if verdict["ok"]:
        console.print(f"[green]audit: every invariant holds[/green] ({checked})")
        return
    broken = verdict["broken"]
    console.print(f"[red]audit: {len(broken)} violations[/red] ({checked})")
    for violation in broken[:VIOLATIONS_SHOWN]:
        subject = violation["order_id"] or "all orders"
        console.print(f"  {subject}: {escape(violation['invariant'])}: {escape(violation['detail'])}")
    if len(broken) > VIOLATIONS_SHOWN:
        console.print(f"  and {len(broken) - VIOLATIONS_SHOWN} more")


def _without_password(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
