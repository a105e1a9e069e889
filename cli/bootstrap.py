import typer

from cli.migrate import Wait


def bootstrap(wait: Wait = 60.0) -> None:
    """Make the topics, and Temporal's namespace with its search attributes. What is there already is left alone.

    Run it before the first start, and after every update. On Temporal Cloud make the namespace and the search
    attributes beforehand; this then only finds them.

    Example: [bold]TWINSAGA_KAFKA_BOOTSTRAP=kafka:9092 TWINSAGA_TEMPORAL_ADDRESS=temporal:7233 twinsaga bootstrap[/bold]
    """
    from runtime.bootstrap import bootstrap as make_everything
    from runtime.settings import load_settings
    from runtime.stopping import leave_at_once

    make_everything(load_settings(), wait, lambda part: typer.echo(f"{part}: ready"))
    leave_at_once()
