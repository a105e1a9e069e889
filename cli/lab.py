import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from labs.catalogue import Lab


def lab(
    number: Annotated[
        int | None, typer.Argument(metavar="[NUMBER]", help="Play this lab. Without it: list all.")
    ] = None,
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Show the code that prevents the harm, and play the lab with it.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for Enter before the answer.")] = False,
) -> None:
    """Break one promise of the sagas on purpose, and see what the audit finds.

    A lab says what the code promises and asks what will go wrong. Then it patches a private copy of this checkout,
    runs its stack on free ports, plays an order in both styles with the fault that the promise is about, and shows the
    audit's verdict: the order, the invariant, the events. With [bold]--fix[/bold] it plays the same without the patch.
    Your checkout and a running stack are not touched; the copy is removed at the end. One lab takes about a minute.

    Labs whose harm no audit of a short run shows play a test instead, and show the assertion that fails.

    It needs a checkout with its tests: the container image has none.

    Exit code 1: the run did not show what the lab is about.

    Example: [bold]twinsaga lab[/bold]

    Example: [bold]twinsaga lab 5[/bold], then [bold]twinsaga lab 5 --fix[/bold]
    """
    from labs.catalogue import load_labs
    from labs.output import list_labs
    from runtime.console import table_console
    from runtime.stopping import ended_as_by_ctrl_c

    console, labs = table_console(), load_labs()
    if number is None:
        list_labs(labs, console)
        return
    found = next((each for each in labs if each.number == number), None)
    if found is None:
        raise typer.BadParameter(f"there is no lab {number}; `twinsaga lab` lists them", param_hint="NUMBER")
    with ended_as_by_ctrl_c():
        ended_well = _play(found, console, fix=fix, wait=not no_wait and sys.stdin.isatty())
    if not ended_well:
        raise typer.Exit(1)


def _play(lab: "Lab", console: "Console", *, fix: bool, wait: bool) -> bool:
    from labs.catalogue import ROOT
    from labs.output import print_patch, print_pattern, print_played, print_promise, print_test
    from labs.play import play_on_engines, play_test

    print_promise(lab, console)
    if fix:
        print_pattern(lab, ROOT, console)
    else:
        if wait:
            console.input("\n[bold]What will go wrong? Decide, then press Enter.[/bold] ")
        print_patch(lab.mutant, "The patch", console)
    if lab.fault:
        print_patch(lab.fault, "What happens meanwhile, once", console)
    if lab.play is None:
        with console.status("running the tests of the lab in a private copy"):
            tested = play_test(lab, mended=fix)
        print_test(lab, tested, console, mended=fix)
        return tested.as_expected
    with console.status("starting Temporal, Kafka, Valkey and the services of a private copy, then playing"):
        played = play_on_engines(lab, lab.play, mended=fix)
    print_played(lab, played, console, mended=fix)
    return played.as_expected
