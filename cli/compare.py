"""`twinsaga compare`, and `twinsaga demo`, which plays its short set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

REPORT = Path("var/report.html")

Orders = Annotated[
    int,
    typer.Option("--orders", min=1, max=1_000, help="Orders of each style in a scenario without a number of its own."),
]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Decides the order of play: the same seed gives the same order.")
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures, unrounded, to FILE.")]
Report = Annotated[Path, typer.Option("--report", metavar="FILE", help="Write the report, one HTML file, to FILE.")]


def compare(
    *,
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", metavar="NAME", help="Play this scenario. Repeatable.")
    ] = None,
    orders: Orders = 20,
    seed: Seed = None,
    json: Json = None,
    report: Report = REPORT,
    scenarios: Annotated[bool, typer.Option("--list", help="List the scenarios and play nothing.")] = False,
) -> None:
    """Play the same orders in both styles on a new stack, and show how they ended and what they cost.

    A scenario is an order that ends in a certain way, a fault during orders, or many orders at once. Each is played in
    four blocks, one style at a time: A B B A. The stack uses free ports, so it does not disturb one that is running.

    At the end it places a few orders on another stack, which sends traces, and draws the median order of each style in
    the report, from its spans.

    Without --scenario it plays all of them, in about ten minutes; [bold]twinsaga demo[/bold] takes about one.

    The figures depend on the machine and its load: run nothing else meanwhile, and do not compare them with other runs.

    Exit code 1: an order did not end as its scenario says, or an invariant is broken.

    Example: [bold]twinsaga compare --list[/bold]

    Example: [bold]twinsaga compare --scenario ok --scenario killed_charging --orders 100 --json out.json[/bold]
    """
    from comparison.trials import TRIALS

    if scenarios:
        _list_scenarios()
        return
    unknown = [name for name in scenario or () if name not in TRIALS]
    if unknown:
        raise typer.BadParameter(
            f"unknown scenario '{unknown[0]}'; choose from {', '.join(TRIALS)}", param_hint="--scenario"
        )
    _play(list(dict.fromkeys(scenario or TRIALS)), orders, seed, json, report)


def demo(*, orders: Orders = 10, seed: Seed = None, json: Json = None, report: Report = REPORT) -> None:
    """Play the short set of [bold]twinsaga compare[/bold] in little more than a minute, and write var/report.html.

    Exit code 1: an order did not end as its scenario says, or an invariant is broken.
    """
    from comparison.trials import SHORT

    _play(SHORT, orders, seed, json, report, brief=True)


def _play(
    names: Sequence[str], orders: int, seed: int | None, json: Path | None, report: Path, *, brief: bool = False
) -> None:
    from random import SystemRandom

    from comparison.output import show
    from comparison.run import Plan, compare
    from runtime.console import table_console
    from runtime.stopping import ended_as_by_ctrl_c

    console = table_console()
    drawn = SystemRandom().randrange(1_000_000) if seed is None else seed
    with ended_as_by_ctrl_c():
        comparison = compare(Plan(names=names, orders=orders, seed=drawn, brief=brief), console)
    show(comparison, console, json_file=json, report_file=report)
    if not comparison.ok:
        raise typer.Exit(1)


def _list_scenarios() -> None:
    from rich.table import Table

    from comparison.trials import SHORT, TRIALS
    from runtime.console import table_console

    table = Table(box=None, pad_edge=False)
    for title in ("scenario", "kind", "in the demo", "what happens"):
        table.add_column(title)
    for trial in TRIALS.values():
        table.add_row(trial.name, trial.kind, "yes" if trial.name in SHORT else "", trial.description)
    table_console().print(table)
