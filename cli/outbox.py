import typer

from cli.chosen_stack import Data, ReadyFile, chosen_databases

outbox = typer.Typer(no_args_is_help=True, help="Manage the outboxes: the event logs from which the relays publish.")


@outbox.callback()
def _group() -> None:
    """Keep `republish` a sub-command: Typer would otherwise merge the only command into its group."""


@outbox.command("republish")
def republish(data: Data = None, ready_file: ReadyFile = None) -> None:
    """Publish the events of all unfinished choreographed orders again. Use it after a broker lost messages.

    The relays of the running services send the events. Consumers that have handled an event drop the repetition.
    """
    from runtime.republish import publish_unfinished_again

    with chosen_databases(data, ready_file) as databases:
        again = publish_unfinished_again(databases)
    typer.echo(f"{again} events are waiting for the relays")
