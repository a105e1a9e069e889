import typer

from cli.migrate import Wait


def bootstrap(wait: Wait = 60.0) -> None:
    """Create the Kafka topics, and the Temporal namespace with its search attributes. Existing ones stay unchanged.

    Run it before the first start and after every update. On Temporal Cloud create the namespace and the search
    attributes yourself first.

    Example: [bold]TWINSAGA_KAFKA_BOOTSTRAP=kafka:9092 TWINSAGA_TEMPORAL_ADDRESS=temporal:7233 twinsaga bootstrap[/bold]
    """
    from runtime.bootstrap import bootstrap as make_everything
    from runtime.settings import load_settings
    from runtime.stopping import leave_at_once

    make_everything(load_settings(), wait, lambda part: typer.echo(f"{part}: ready"))
    leave_at_once()
