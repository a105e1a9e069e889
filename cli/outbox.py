from contextlib import closing

import typer

outbox = typer.Typer(no_args_is_help=True, help="Manage the outboxes: the event logs from which the relays publish.")


@outbox.callback()
def _group() -> None:
    """Keep `republish` a sub-command: Typer would otherwise merge the only command into its group."""


@outbox.command("republish")
def republish() -> None:
    """Publish the events of all unfinished choreographed orders again. Use it after a broker lost messages.

    The relays of the running services send the events. Consumers that have handled an event drop the repetition.
    """
    from runtime.republish import publish_unfinished_again
    from runtime.settings import load_settings
    from runtime.wiring import Databases

    with closing(Databases.open(load_settings())) as databases:
        again = publish_unfinished_again(databases)
    typer.echo(f"{again} events are waiting for the relays")
