import typer

outbox = typer.Typer(no_args_is_help=True, help="The event logs, from which the relays publish.")


@outbox.callback()
def _group() -> None:
    """Keep `republish` a command of its own, although it is the only one."""


@outbox.command("republish")
def republish() -> None:
    """Publish the events of all unfinished choreographed orders again, after a broker lost what it held.

    The services' relays send them; the inboxes take the duplicates.
    """
    from runtime.republish import publish_unfinished_again
    from runtime.settings import load_settings
    from runtime.wiring import Databases

    databases = Databases.open(load_settings())
    try:
        again = publish_unfinished_again(databases)
    finally:
        databases.close()
    typer.echo(f"{again} events wait for the relays")
