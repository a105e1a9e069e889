from typing import Annotated

import typer

from processes.registry import PROCESSES, rich_left_out, run_process


def serve(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(PROCESSES)}.", metavar="NAME")],
) -> None:
    """Run one process in the foreground, until SIGTERM or Ctrl-C.

    [bold]twinsaga up[/bold] starts each process this way, and so do the containers. The TWINSAGA_ settings say
    where its engines and databases are. On SIGTERM it finishes what is in hand, commits, and exits with 0 within 10
    seconds.

    Example: [bold]TWINSAGA_KAFKA_BOOTSTRAP=kafka:9092 twinsaga serve order-service[/bold]
    """
    from runtime.settings import load_settings

    with rich_left_out():
        from runtime.logs import configure_logs

    settings = load_settings()
    configure_logs(settings, process=name)
    run_process(name, settings)
