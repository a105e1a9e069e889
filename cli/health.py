from typing import Annotated

import typer

from processes.registry import PROCESSES


def health(
    name: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(PROCESSES)}.", metavar="[NAME]")] = None,
) -> None:
    """Exit with 0 if the process that runs here, with these settings, does its work; else with 1.

    It is what the health checks of the containers run. A process announces itself in the file that
    TWINSAGA_SERVE_READY_FILE names, so set that for both. With its name, one that answers by HTTP is asked too. Servers
    that a process uses may be away: that is for [bold]/readyz[/bold] to tell.
    """
    from processes.health import healthy
    from runtime.errors import CannotRun
    from runtime.settings import load_settings

    if name is not None and name not in PROCESSES:
        raise CannotRun(f"no process is called '{name}'; choose from: {', '.join(PROCESSES)}")
    if not healthy(name, load_settings()):
        raise CannotRun(f"{name or 'the process'} does not do its work")
