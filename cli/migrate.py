from typing import Annotated

import typer

Wait = Annotated[
    float,
    typer.Option(min=0, max=3600, metavar="SECONDS", help="How long to wait for a server that does not answer yet."),
]


def migrate(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE]...", help="The databases to migrate: orders, payments, ... All by default."),
    ] = None,
    wait: Wait = 60.0,
) -> None:
    """Migrate the databases of the services to the newest revision.

    It is safe to repeat, and to run several times at once: one process migrates, the others wait. PostgreSQL databases
    and roles must exist; SQLite files are created.

    Example: [bold]TWINSAGA_ORDERS_DATABASE_URL=postgresql://orders@db/orders twinsaga migrate orders[/bold]
    """
    import time
    from functools import partial

    from runtime.bootstrap import retry_until
    from runtime.databases import migrate_databases
    from runtime.settings import load_settings
    from services.names import DATABASES

    wanted = services or list(DATABASES)
    if unknown := sorted(set(wanted) - set(DATABASES)):
        raise typer.BadParameter(f"unknown database '{unknown[0]}'; choose from: {', '.join(DATABASES)}")
    settings, end = load_settings(), time.monotonic() + wait
    for service in wanted:
        retry_until(partial(migrate_databases, settings, [service]), end)
        typer.echo(f"{service}: newest revision")
