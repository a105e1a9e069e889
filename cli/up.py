from pathlib import Path
from typing import Annotated

import typer

from processes.registry import CODEC_SERVER, PROCESSES

ENGINE_NAMES = ("temporal", "kafka", "redis")


def up(
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take free ports instead of those in the settings.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Store databases and logs here, not in TWINSAGA_DATA_DIR.")
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write addresses and process ids here, as JSON, when everything answers."),
    ] = None,
    encrypt_payloads: Annotated[
        bool,
        typer.Option(
            "--encrypt-payloads",
            help="Encrypt what Temporal stores, and start a codec server for its UI. DIR keeps the keys: later starts"
            " on it encrypt without being asked.",
        ),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help=f"Start only these of: {', '.join((*ENGINE_NAMES, *PROCESSES))}."),
    ] = None,
) -> None:
    """Start the embedded stack and keep it running until Ctrl-C or SIGTERM.

    First it starts the engines (Temporal with its UI, a Kafka broker, Redis; nothing has to be installed), then our
    processes. Each of them logs to DIR/logs/NAME.log.

    A process that dies is reported and restarted; after five deaths in a minute the stack ends with exit code 1.
    FILE is rewritten after each restart and removed at the end.

    With [bold]--only temporal,kafka,redis[/bold] it runs the engines for a project of your own: it creates no topics
    and no databases.

    For an engine that is left out by [bold]--only[/bold], the address in the settings is used:

    [bold]TWINSAGA_KAFKA_BOOTSTRAP=kafka.example:9092 twinsaga up --only temporal,redis,api,saga-worker[/bold]
    """
    from embedded.stack import run_stack
    from runtime.console import ConsoleReporter
    from runtime.settings import load_settings

    names = _chosen(only)
    settings = load_settings()
    if data is not None:
        settings = settings.with_changes(data_dir=data)
    run_stack(
        settings,
        names,
        free_ports=free_ports,
        encrypt_payloads=encrypt_payloads,
        ready_file=ready_file,
        reporter=ConsoleReporter(),
    )


def _chosen(only: str | None) -> list[str]:
    known = [*ENGINE_NAMES, *PROCESSES]
    if only is None:
        return [name for name in known if name != CODEC_SERVER]  # it comes with the keys
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    if unknown := sorted(wanted - set(known)):
        raise typer.BadParameter(f"unknown name '{unknown[0]}'; choose from: {', '.join(known)}", param_hint="--only")
    if not wanted:
        raise typer.BadParameter(f"name at least one of: {', '.join(known)}", param_hint="--only")
    return [name for name in known if name in wanted]
