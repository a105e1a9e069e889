from pathlib import Path
from typing import Annotated

import typer

from processes.registry import PROCESSES

ENGINE_NAMES = ("temporal", "kafka", "redis")


def up(
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take free ports instead of those in the settings.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep databases and logs here, not in TWINSAGA_DATA_DIR.")
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written when everything answers: addresses and process ids, as JSON."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help=f"Start only these, of: {', '.join((*ENGINE_NAMES, *PROCESSES))}."),
    ] = None,
) -> None:
    """Start the embedded stack and keep it running until Ctrl-C or SIGTERM.

    The engines come first (Temporal with its UI, a Kafka broker, Redis; nothing has to be installed), then our
    processes. Each writes to DIR/logs/NAME.log.

    One that dies is named and started again; one that dies five times in a minute ends the stack with exit code 1. FILE
    is written again, whole, whenever a process was restarted, and removed at the end.

    An engine left out with [bold]--only[/bold] is used where the settings say, for example on a real server:

    [bold]TWINSAGA_KAFKA_BOOTSTRAP=kafka.example:9092 twinsaga up --only temporal,redis,api,saga-worker[/bold]
    """
    from embedded.stack import run_stack
    from runtime.console import ConsoleReporter
    from runtime.settings import load_settings

    names = _chosen(only)
    settings = load_settings()
    if data is not None:
        settings = settings.with_changes(data_dir=data)
    run_stack(settings, names, free_ports=free_ports, ready_file=ready_file, reporter=ConsoleReporter())


def _chosen(only: str | None) -> list[str]:
    known = [*ENGINE_NAMES, *PROCESSES]
    if only is None:
        return known
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := sorted(wanted - set(known)):
        raise typer.BadParameter(f"no '{unknown[0]}'; choose from: {', '.join(known)}", param_hint="--only")
    if not wanted:
        raise typer.BadParameter(f"name at least one of: {', '.join(known)}", param_hint="--only")
    return [name for name in known if name in wanted]
