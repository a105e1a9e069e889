from typing import Annotated

import typer

from processes.registry import PROCESSES, run_process


def serve(name: Annotated[str, typer.Argument(help=f"One of: {', '.join(PROCESSES)}.", metavar="NAME")]) -> None:
    """Run one process in the foreground until SIGTERM or Ctrl-C.

    [bold]twinsaga up[/bold] and the containers start each process this way. The TWINSAGA_ settings contain the
    addresses of its engines and databases. On SIGTERM it finishes its current work, commits, and exits with 0 within 10
    seconds.

    Example: [bold]TWINSAGA_KAFKA_BOOTSTRAP=kafka:9092 twinsaga serve order-service[/bold]
    """
    from runtime.logs import configure_logs
    from runtime.settings import load_settings

    settings = load_settings()
    configure_logs(settings, process=name)
    run_process(name, settings)
