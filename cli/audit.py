from typing import Annotated

import typer

from cli.chosen_stack import Data, ReadyFile, chosen_databases


def audit(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON, as GET /audit does.")] = False,
    data: Data = None,
    ready_file: ReadyFile = None,
) -> None:
    """Check that the records of all services and of the payment gateway agree.

    It reads the databases directly, and prints which, so nothing else needs to run. Run it when no order is being
    processed: a step that is only half done looks like a violation.

    Exit code 1 if an invariant is violated; the orders that violate it are listed.

    Example: [bold]twinsaga audit --data var/stack --json[/bold]
    """
    from rich.console import Console

    from runtime.console import print_verdict, verdict_as_json
    from runtime.wiring import audit_of

    with chosen_databases(data, ready_file) as databases:
        verdict = verdict_as_json(audit_of(databases))
    console = Console(highlight=False)
    if as_json:
        console.print_json(data=verdict)
    else:
        print_verdict(verdict, console)
    if not verdict["ok"]:
        raise typer.Exit(1)
