from typing import Annotated

import typer


def audit(
    as_json: Annotated[bool, typer.Option("--json", help="Print what GET /audit would answer.")] = False,
) -> None:
    """Check the books of all services and of the payment gateway against one another.

    It reads the databases that the settings name, whether or not anything is running. Run it at rest: an effect that is
    under way is no violation, but a few seconds later it would be gone.

    Exit code 1: an invariant is broken. Each order that breaks one is named.
    """
    from rich.console import Console

    from runtime.console import print_verdict, verdict_as_json
    from runtime.settings import load_settings
    from runtime.wiring import Databases, audit_of

    databases = Databases.open(load_settings())
    try:
        verdict = verdict_as_json(audit_of(databases))
    finally:
        databases.close()
    console = Console(highlight=False)
    if as_json:
        console.print_json(data=verdict)
    else:
        print_verdict(verdict, console)
    if not verdict["ok"]:
        raise typer.Exit(1)
