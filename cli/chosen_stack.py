"""The stack that a command works on: the one of the settings, of a data folder, or of a ready file.

Commands that read databases or the broker directly print which ones: those of another stack may look just as healthy.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from runtime.settings import Settings
    from runtime.wiring import Databases

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Use the stack whose data is in DIR, not that of the settings."),
]
ReadyFile = Annotated[
    Path | None, typer.Option("--ready-file", metavar="FILE", help="Use the running stack that wrote FILE.")
]


def chosen_settings(data: Path | None, ready_file: Path | None) -> "Settings":
    """`data`: if a stack runs there, its addresses are used too. Raises CannotRun: FILE belongs to no running stack."""
    from runtime.run_folder import ready_file_in
    from runtime.settings import load_settings

    settings = load_settings()
    if data is not None and ready_file is not None:
        raise typer.BadParameter("give either --data or --ready-file", param_hint="--data, --ready-file")
    if data is not None:
        settings, ready_file = settings.with_changes(data_dir=data.absolute()), ready_file_in(data)
        if not ready_file.exists():
            return settings
    return settings if ready_file is None else _addressed(settings, ready_file)


@contextmanager
def chosen_databases(data: Path | None, ready_file: Path | None) -> "Iterator[Databases]":
    """Print which databases are opened. Raises CannotRun: one of them does not answer, or is no database of ours."""
    from messaging.errors import Fault
    from runtime.errors import CannotRun
    from runtime.wiring import Databases

    settings = chosen_settings(data, ready_file)
    print_databases(settings)
    with closing(Databases.open(settings)) as databases:
        try:
            yield databases
        except Fault as fault:
            raise CannotRun(str(fault)) from fault


def print_databases(settings: "Settings", databases: Sequence[str] | None = None) -> None:
    """Print those, by default all that the audit reads.

    Raises CannotRun: a SQLite file does not exist. Opening it would create an empty one.
    """
    from sqlalchemy import make_url

    from runtime.errors import CannotRun
    from services.names import DATABASE_OF, GATEWAY

    for service in databases or (*DATABASE_OF.values(), GATEWAY):
        url = make_url(settings.database_url(service))
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            raise CannotRun(f"there is no database {url.database}: choose a stack with --data or --ready-file")
        typer.echo(f"database of {service}: {url.render_as_string(hide_password=True)}", err=True)


def api_key_for(address: str, settings: "Settings") -> str | None:
    """Return the key in the settings, or that of the stack in their data folder if its API has this address."""
    from runtime.run_folder import ready_file_in

    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    try:
        ready = json.loads(ready_file_in(settings.data_dir).read_text())
    except (OSError, ValueError):
        return None
    # The key goes to no other address: that may be the server of another user.
    return ready.get("api_key") if ready.get("api") == address.rstrip("/") else None


def _addressed(settings: "Settings", ready_file: Path) -> "Settings":
    from pydantic import SecretStr

    from runtime.errors import CannotRun

    try:
        ready = json.loads(ready_file.read_text())
        return settings.with_changes(
            data_dir=Path(ready["data"]),
            temporal_address=ready["temporal"],
            kafka_bootstrap=ready["kafka"],
            redis_url=SecretStr(ready["redis"]),
            installation=ready.get("installation", settings.installation),
        )
    except FileNotFoundError:
        raise CannotRun(f"there is no {ready_file}: its stack has ended, or is not ready yet") from None
    except (ValueError, LookupError, TypeError) as wrong:
        raise CannotRun(f"{ready_file} is not the ready file of a stack") from wrong
