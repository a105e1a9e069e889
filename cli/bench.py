"""`twinsaga bench`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.run import Plan


def bench(  # noqa: PLR0913 - one argument an option
    *,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", metavar="NAME", help="Measure this one. May come again.")
    ] = None,
    pairs: Annotated[
        int, typer.Option("--pairs", min=1, max=100, help="So often ours and the reference are played.")
    ] = 5,
    held: Annotated[
        int, typer.Option("--held", min=1_000, max=1_000_000, help="Orders of the stack that holds many.")
    ] = 100_000,
    orders_for_memory: Annotated[
        int, typer.Option("--orders-for-memory", min=100, max=1_000_000, help="After so many, memory is measured.")
    ] = 10_000,
    short: Annotated[
        bool, typer.Option("--short", help="Play little of everything, to see that it works. Its ratios say nothing.")
    ] = False,
    given_engines: Annotated[
        bool,
        typer.Option("--given-engines", help="Use the Temporal, Kafka and Redis of the settings, without held orders."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Decides who begins. The same seed plays in the same order.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw there, as SVG, where one order's time goes.")
    ] = None,
    figures: Annotated[bool, typer.Option("--list", help="Say what each figure is, and measure nothing.")] = False,
) -> None:
    """Measure what the sagas and the bridges cost, each figure as a ratio to a reference that runs beside it.

    The references are what somebody would have without us: a bare workflow of four activities that do nothing, a raw
    chain of five Kafka consumers and producers, plain starts of workflows, a plain Celery task. Both sides run on the
    same engines in the same run, in turns, never at once: A B B A. A figure is the median of the ratios of the pairs.

    What is called [bold]p50[/bold] is placed to finished by the services' own clocks, and beside it [bold]-seen[/bold]
    is from sending the order until its end is seen. Memory is counted in proportional set sizes, so that a page which
    several processes share counts once. Many orders held are copies of real ones, in our databases, not in Temporal's.

    Everything is started on free ports with data of its own, and gone at the end. It takes about half an hour on two
    cores, and [bold]--short[/bold] less than three, for which both sides of held orders are one stack. Let nothing else
    run meanwhile.

    Exit code 1: something did not work, as an order that did not end as it must. A goal that is missed is no failure.

    Example: [bold]twinsaga bench --list[/bold]

    Example: [bold]twinsaga bench --figure orchestrated-rate --figure orchestrated-p50 --pairs 3 --json out.json[/bold]
    """
    from bench.metrics import ALONE, FIGURES, HELD

    if figures:
        _say_what_is_measured()
        return
    unknown = [name for name in figure or () if name not in FIGURES]
    if unknown:
        raise typer.BadParameter(f"'{unknown[0]}' is none; choose from {', '.join(FIGURES)}", param_hint="--figure")
    held_figures = [name for name, known in FIGURES.items() if known.match in HELD]
    if given_engines and (impossible := [name for name in figure or () if name in held_figures]):
        raise typer.BadParameter(f"'{impossible[0]}' needs two stacks, each with its own", param_hint="--given-engines")
    names = figure or [name for name in FIGURES if not (given_engines and name in held_figures)]
    if chart and not any(FIGURES[name].match in ALONE for name in names):
        raise typer.BadParameter("it needs a figure of one order alone, as orchestrated-p50", param_hint="--chart")

    from random import SystemRandom

    from bench.run import Plan
    from bench.sizes import SHORT, Sizes

    plan = Plan(
        figures=list(dict.fromkeys(names)),
        sizes=SHORT if short else Sizes(pairs=pairs, held_many=held, memory_orders=orders_for_memory),
        seed=SystemRandom().randrange(1_000_000) if seed is None else seed,
        one_stack=short,
        given_engines=given_engines,
    )
    _measure(plan, json, chart)


def _measure(plan: "Plan", json: Path | None, chart: Path | None) -> None:
    from bench.output import show
    from bench.run import bench
    from runtime.console import table_console
    from runtime.stopping import ended_as_by_ctrl_c

    console = table_console()
    with ended_as_by_ctrl_c():
        run = bench(plan, console)
    show(run, console, json, chart)
    if not run.ok:
        raise typer.Exit(1)


def _say_what_is_measured() -> None:
    from rich.table import Table

    from bench.metrics import FIGURES
    from runtime.console import table_console

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("figure", "ours", "the reference", "goal"):
        table.add_column(title, no_wrap=title in {"figure", "goal"})
    for figure in FIGURES.values():
        table.add_row(figure.name, figure.ours, figure.reference, str(figure.goal or ""))
    table_console().print(table)
