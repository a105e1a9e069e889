"""Prints a lab: its text, the code that it breaks, the two lanes of its orders, and the verdict of the audit."""

import ast
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from domain.order import SagaStyle
from labs.catalogue import Lab
from labs.patch import Hunk, file_of, hunks_of
from labs.play import Played, PlayedTest
from labs.stage import PlayedOrder
from runtime.console import print_verdict, verdict_as_json

LONGEST_EXCERPT = 45
_AROUND = 6


def list_labs(labs: Sequence[Lab], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("lab", "question", "breaks", "shown by"):
        table.add_column(title)
    for lab in labs:
        table.add_row(str(lab.number), lab.question, lab.title, "the audit" if lab.play else "a test")
    console.print(table)
    console.print(
        "\n[bold]twinsaga lab 1[/bold] breaks the first one; [bold]twinsaga lab 1 --fix[/bold] plays it right."
    )


def print_promise(lab: Lab, console: Console) -> None:
    console.print(f"[bold]Lab {lab.number}: {escape(lab.question)}[/bold]   ({', '.join(lab.words)})\n")
    console.print(escape(lab.promise.strip()))


def print_patch(diff: str, title: str, console: Console) -> None:
    console.print(f"\n[bold]{title}[/bold]")
    console.print(Syntax(diff.rstrip(), "diff", background_color="default"))


def print_pattern(lab: Lab, root: Path, console: Console) -> None:
    """Print the right code: the functions that the mutant breaks."""
    for path, first, lines in _excerpts(lab, root):
        console.print(f"\n[bold]The code that prevents it: {path}, from line {first}[/bold]")
        console.print(Syntax(lines, "python", background_color="default"))


def print_played(lab: Lab, played: Played, console: Console, *, mended: bool) -> None:
    _print_lanes(played.orders, console)
    print_verdict(verdict_as_json(played.verdict), console)
    console.print("(the audit reads the books as it would find them an hour later)")
    _print_end(lab, console, mended=mended, as_expected=played.as_expected, seconds=played.seconds)


def print_test(lab: Lab, played: PlayedTest, console: Console, *, mended: bool) -> None:
    console.print("\nNo audit of a short run shows this harm, so the lab plays a test:")
    for line in played.lines[:30]:
        console.print(f"  {escape(line)}")
    _print_end(lab, console, mended=mended, as_expected=played.as_expected, seconds=played.seconds)


def _print_lanes(orders: Sequence[PlayedOrder], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    lanes = [[order for order in orders if order.style is style] for style in SagaStyle]
    for style in SagaStyle:
        table.add_column(style.value, min_width=55)
    for pair in zip_longest(*lanes):
        table.add_row(*("\n".join(_lane(order)) if order else "" for order in pair))
    console.print()
    console.print(table)


def _lane(order: PlayedOrder) -> Iterator[str]:
    yield order.order_id
    for seen in order.events:
        yield f"  +{seen.after_s:6.2f} s  {seen.type:<28} {seen.service.removesuffix('-service')}"
    why = f": {order.reason}" if order.reason else ""
    waits = f", waits for an operator at {order.attention}" if order.attention else ""
    yield f"  = {order.status}{why}{waits}"


def _print_end(lab: Lab, console: Console, *, mended: bool, as_expected: bool, seconds: float) -> None:
    if not as_expected:
        console.print(
            "[red]This run did not show what the lab is about.[/red] Play it again; a busy machine may be why."
        )
    elif mended:
        console.print(f"\n[green]Clean.[/green] The same, without the patch ({seconds:.0f} s).")
    else:
        console.print(f"\n{escape(lab.answer.strip())}\n\n({seconds:.0f} s)")
        console.print(f"[bold]twinsaga lab {lab.number} --fix[/bold] plays it with the right code.")


def _excerpts(lab: Lab, root: Path) -> Iterator[tuple[str, int, str]]:
    shown: set[tuple[Path, int]] = set()
    for hunk in hunks_of(lab.mutant):
        file = file_of(hunk, root)
        first, last = _around(file.read_text(), hunk)
        if (file, first) not in shown:
            shown.add((file, first))
            yield str(file.relative_to(root)), first, "\n".join(file.read_text().splitlines()[first - 1 : last])


def _around(text: str, hunk: Hunk) -> tuple[int, int]:
    """Return the first and the last line to show: the function around the change, or a few lines if it is long."""
    changed = text[: text.index(hunk.old)].count("\n") + hunk.changed_at + 1
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    around = [node for node in functions if node.lineno <= changed <= (node.end_lineno or 0)]
    if around:
        innermost = max(around, key=lambda node: node.lineno)
        last = innermost.end_lineno or innermost.lineno
        if last - innermost.lineno < LONGEST_EXCERPT:
            return innermost.lineno, last
    return max(1, changed - _AROUND), changed + _AROUND
