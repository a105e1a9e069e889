"""`twinsaga bench`."""

from pathlib import Path
from typing import Annotated

import typer


def bench(  # noqa: PLR0913 - one argument an option
    *,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", metavar="NAME", help="Measure this figure. Repeatable.")
    ] = None,
    pairs: Annotated[
        int, typer.Option("--pairs", min=1, max=100, help="Number of pairs: a block of ours and one of the baseline.")
    ] = 5,
    held: Annotated[
        int,
        typer.Option("--held", min=1_000, max=1_000_000, help="Orders in the databases of the stack that holds many."),
    ] = 100_000,
    orders_for_memory: Annotated[
        int, typer.Option("--orders-for-memory", min=100, max=1_000_000, help="Orders after which memory is measured.")
    ] = 10_000,
    short: Annotated[
        bool,
        typer.Option("--short", help="Play a little of everything, to see that it works. The ratios mean nothing."),
    ] = False,
    given_engines: Annotated[
        bool,
        typer.Option(
            "--given-engines",
            help="Use the Temporal, Kafka and Redis of the settings. Leaves out what needs two stacks.",
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Decides which side begins: the same seed gives the same order.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures to FILE.")] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw where the time of one order goes, as SVG.")
    ] = None,
    figures: Annotated[bool, typer.Option("--list", help="Explain each figure and measure nothing.")] = False,
) -> None:
    """Measure what the sagas and the bridges cost, each figure as a ratio to a baseline that runs beside it.

    The baselines do the same without us: a bare workflow of four activities that do nothing, a raw chain of five Kafka
    consumers and producers, plain starts of workflows, a plain Celery task. Both sides run on the same engines in the
    same run, in turns and never at the same time: A B B A. A figure is the median of the ratios of its pairs.

    A [bold]p50[/bold] is the time from placed to finished by the services' own clocks; with [bold]-seen[/bold], from
    sending the order until its end is seen. Memory is the proportional set size, in which a page that several processes
    share counts once. Held orders are copies of real ones, in our databases and not in Temporal's.

    The stacks use free ports and data of their own, and are removed at the end. A run takes about half an hour on two
    cores. With [bold]--short[/bold] it takes less than three minutes, and few and many held orders are in one stack.
    Run nothing else meanwhile.

    Exit code 1: something did not work, for example an order did not end as it must. A missed goal is not a failure.

    Example: [bold]twinsaga bench --list[/bold]

    Example: [bold]twinsaga bench --figure orchestrated-rate --figure orchestrated-p50 --pairs 3 --json out.json[/bold]
    """
    from bench.metrics import FIGURES, ONE_BY_ONE, TWO_STACKS

    if figures:
        _list_figures()
        return
    unknown = [name for name in figure or () if name not in FIGURES]
    if unknown:
        raise typer.BadParameter(
            f"unknown figure '{unknown[0]}'; choose from {', '.join(FIGURES)}", param_hint="--figure"
        )
    on_two = [name for name, known in FIGURES.items() if known.benchmark in TWO_STACKS]
    if given_engines and (impossible := [name for name in figure or () if name in on_two]):
        raise typer.BadParameter(
            f"'{impossible[0]}' needs two stacks with engines of their own", param_hint="--given-engines"
        )
    names = figure or [name for name in FIGURES if not (given_engines and name in on_two)]
    if chart and not any(FIGURES[name].benchmark in ONE_BY_ONE for name in names):
        raise typer.BadParameter(
            "it needs a figure of one order alone, for example orchestrated-p50", param_hint="--chart"
        )

    from random import SystemRandom

    from bench.report import show
    from bench.run import Plan, run_benchmarks
    from bench.sizes import SHORT, Sizes
    from runtime.console import table_console
    from runtime.stopping import ended_as_by_ctrl_c

    plan = Plan(
        figures=list(dict.fromkeys(names)),
        sizes=SHORT if short else Sizes(pairs=pairs, held_many=held, memory_orders=orders_for_memory),
        seed=SystemRandom().randrange(1_000_000) if seed is None else seed,
        one_stack=short,
        given_engines=given_engines,
    )
    console = table_console()
    with ended_as_by_ctrl_c():
        run = run_benchmarks(plan, console)
    show(run, console, json, chart)
    if not run.ok:
        raise typer.Exit(1)


def _list_figures() -> None:
    from rich.table import Table

    from bench.metrics import FIGURES
    from runtime.console import table_console

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("figure", "ours", "the baseline", "goal"):
        table.add_column(title, no_wrap=title in {"figure", "goal"})
    for figure in FIGURES.values():
        table.add_row(figure.name, figure.ours, figure.baseline, str(figure.goal or ""))
    table_console().print(table)
