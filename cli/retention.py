import typer


def retention() -> None:
    """Delete finished orders and events older than TWINSAGA_RETENTION_DAYS from the databases of all services.

    The Temporal Schedule `estate/forget-what-is-old` triggers the same every hour. It is safe to run at any time and to
    repeat.
    """
    from runtime.retention import forget_what_is_old
    from runtime.settings import load_settings

    for name, rows in forget_what_is_old(load_settings()).items():
        typer.echo(f"{name}: {rows} rows deleted")
