from typing import Annotated

import typer

from processes.registry import PROCESSES


def health(
    name: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(PROCESSES)}.", metavar="[NAME]")] = None,
) -> None:
    """Check the process that runs here with the same settings: exit code 0 if it is healthy, else 1.

    The health checks of the containers use it. A process writes the file TWINSAGA_SERVE_READY_FILE when it is ready, so
    set that variable for the process and for this command. With NAME, api, flower and codec-server must also answer
    over HTTP. It does not check the systems that the process uses: [bold]/readyz[/bold] of the API does that.

    Example: [bold]TWINSAGA_SERVE_READY_FILE=/run/ready twinsaga health api[/bold]
    """
    from processes.health import healthy
    from runtime.errors import CannotRun
    from runtime.settings import load_settings

    if name is not None and name not in PROCESSES:
        raise CannotRun(f"unknown process '{name}'; choose from: {', '.join(PROCESSES)}")
    if not healthy(name, load_settings()):
        raise CannotRun(f"{name or 'the process'} is not healthy")
