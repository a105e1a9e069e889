import typer

from cli.chosen_stack import Data, ReadyFile, chosen_settings, print_databases


def retention(data: Data = None, ready_file: ReadyFile = None) -> None:
    """Delete finished orders and events older than TWINSAGA_RETENTION_DAYS from the databases of all services.

    The Temporal Schedule `estate/forget-what-is-old` triggers the same every hour. It is safe to run at any time and to
    repeat.
    """
    from runtime.retention import forget_what_is_old

    settings = chosen_settings(data, ready_file)
    print_databases(settings)
    for name, rows in forget_what_is_old(settings).items():
        typer.echo(f"{name}: {rows} rows deleted")
