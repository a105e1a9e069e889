from typing import Annotated

import typer

Wait = Annotated[
    float, typer.Option(min=0, max=3600, metavar="SECONDS", help="So long a server may take until it answers.")
]


def migrate(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="[SERVICE]...", help="orders, payments, ... (all by default).")
    ] = None,
    wait: Wait = 60.0,
) -> None:
    """Bring the services' databases to the newest revision. Those that are there already are left alone.

    Several may run at once: one migrates, the others wait for it. The databases and their roles have to be there;
    SQLite files are made.

    Example: [bold]TWINSAGA_ORDERS_DATABASE_URL=postgresql://orders@db/orders twinsaga migrate orders[/bold]
    """
    import time

    from runtime.bootstrap import until_it_answers
    from runtime.databases import migrate_databases
    from runtime.settings import load_settings
    from services.names import DATABASES

    wanted = services or list(DATABASES)
    if unknown := sorted(set(wanted) - set(DATABASES)):
        raise typer.BadParameter(f"no database '{unknown[0]}'; choose from: {', '.join(DATABASES)}")
    settings, end = load_settings(), time.monotonic() + wait
    for service in wanted:
        until_it_answers(lambda service=service: migrate_databases(settings, [service]), end)  # type: ignore[misc]
        typer.echo(f"{service}: newest revision")
