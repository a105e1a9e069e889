import typer


def retention() -> None:
    """Delete what is finished and older than TWINSAGA_RETENTION_DAYS, in all services' databases.

    The Celery beat does the same every hour. It may run at any time, and any number of times.
    """
    from runtime.retention import forget_what_is_old
    from runtime.settings import load_settings

    for name, rows in forget_what_is_old(load_settings()).items():
        typer.echo(f"{name}: {rows} rows deleted")
