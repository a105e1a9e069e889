"""What `twinsaga up` says to the person who started it."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

TITLES = {
    "api": "API and page",
    "temporal_ui": "Temporal UI",
    "flower": "Flower",
    "mail": "Mail",
    "temporal": "Temporal",
    "kafka": "Kafka",
    "redis": "Redis",
}


TABLE_WIDTH = 120


def table_console() -> Console:
    """A console for tables: where there are fewer columns, the terminal wraps whole lines, and no cell is cut."""
    console = Console(highlight=False)
    return console if console.width >= TABLE_WIDTH else Console(highlight=False, width=TABLE_WIDTH)


def progress_bar(console: Console, title: str = "{task.description}") -> Progress:
    return Progress(TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)


class ConsoleReporter:
    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def starting(self, names: list[str]) -> None:
        self._console.print(f"Starting {', '.join(names)}")

    def ready(self, content: Mapping[str, Any], seconds: float) -> None:
        table = Table(box=None, show_header=False, pad_edge=False)
        for key, title in (TITLES | {"data": "Data and logs"}).items():
            if key in content:
                table.add_row(title, _without_password(str(content[key])), style="bold" if key == "api" else None)
        self._console.print(f"[green]Ready[/green] after {seconds:.1f} s. Ctrl-C stops everything.")
        self._console.print(table)

    def stopping(self) -> None:
        self._console.print("Stopping. Once more Ctrl-C kills.")

    def died(self, name: str, how: str, last_lines: list[str], pause_seconds: float) -> None:
        self._console.print(
            f"[red]{name} died[/red] ({how}); it is started again in {pause_seconds:g} s. Its last log lines:"
        )
        for line in last_lines or ["(none)"]:
            self._console.print(f"    {escape(line)}", style="dim")

    def held(self, name: str) -> None:
        self._console.print(f"[yellow]{name} was stopped[/yellow]; it is started when whoever stopped it says so")

    def restarted(self, name: str, pid: int) -> None:
        self._console.print(f"[green]{name} answers again[/green] (process {pid})")

    def had_to_be_killed(self, name: str) -> None:
        self._console.print(f"[yellow]{name} did not stop in time and was killed[/yellow]")


def _without_password(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
