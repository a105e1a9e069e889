"""`twinsaga keys`: makes, lists and revokes API keys, in the database that contains them, so the API need not run."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.chosen_stack import Data, ReadyFile, chosen_settings, print_databases
from services.access.keys import Role

if TYPE_CHECKING:
    from services.access.keys import ApiKey, ApiKeys

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys with which programs call the API.")


@keys.command("make")
def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who has the key: records of actions show this name.")],
    *,
    role: Annotated[list[Role], typer.Option(help="What the key may do. Repeatable.")],
    customer: Annotated[
        str | None, typer.Option(metavar="ID", help="With the role customer: the customer whose orders the key is for.")
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="A limit of its own, 0 for none; by default that of the settings."),
    ] = None,
    data: Data = None,
    ready_file: ReadyFile = None,
) -> None:
    """Make a key and print it. It is shown once: only a digest of it is stored.

    [bold]customer[/bold]: place, see and cancel the orders of one customer.
    [bold]operator[/bold]: do that for all customers; retry, repair and redrive; the audit, users and videos.
    [bold]admin[/bold]: stock products, control the processes of the embedded stack.

    Example: [bold]twinsaga keys make ana-phone --role customer --customer ana[/bold]

    Example: [bold]twinsaga keys make on-call --role operator --role admin[/bold]
    """
    from domain.ids import CustomerId
    from messaging.ids import NotAnId, outside_id
    from services.access.keys import NewKey

    try:
        key = NewKey.make(
            outside_id(name, "the name"),
            frozenset(role),
            datetime.now(UTC),
            customer_id=CustomerId(outside_id(customer, "the customer")) if customer is not None else None,
            requests_per_minute=requests_per_minute,
        )
    except (NotAnId, ValueError) as wrong:
        raise typer.BadParameter(str(wrong)) from None
    with _opened(data, ready_file) as stored:
        stored.add(key.record)
    typer.echo("The key is shown only now. Send it as the header `Authorization: Bearer KEY`.", err=True)
    typer.echo(key.text)


@keys.command("list")
def list_keys(data: Data = None, ready_file: ReadyFile = None) -> None:
    """List all keys, the oldest first, also revoked ones."""
    from rich.table import Table

    from runtime.console import table_console

    table = Table("id", "name", "roles", "customer", "a minute", "made", "revoked")
    with _opened(data, ready_file) as stored:
        found = stored.every()
    for key in found:
        table.add_row(*_row(key))
    table_console().print(table)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id in the list: the middle part of the key.")],
    data: Data = None,
    ready_file: ReadyFile = None,
) -> None:
    """Revoke a key. Within a second no API process accepts it. It cannot be undone.

    Example: [bold]twinsaga keys revoke 3f9c0a1b2d4e[/bold]
    """
    from runtime.errors import CannotRun

    with _opened(data, ready_file) as stored:
        if not stored.revoke(key_id):
            raise CannotRun(f"no valid key has the id {key_id}: see `twinsaga keys list`")
    typer.echo(f"{key_id} is revoked")


@contextmanager
def _opened(data: Path | None, ready_file: Path | None) -> "Iterator[ApiKeys]":
    """Print which database is opened. Raises CannotRun: it does not answer, or does not exist."""
    from messaging.errors import Fault
    from runtime.api_keys import open_api_keys
    from runtime.errors import CannotRun

    settings = chosen_settings(data, ready_file)
    print_databases(settings, ["orders"])
    try:
        with open_api_keys(settings) as stored:
            yield stored
    except Fault as fault:
        raise CannotRun(str(fault)) from fault


def _row(key: "ApiKey") -> list[str]:
    from rich.markup import escape

    limit = "" if key.requests_per_minute is None else str(key.requests_per_minute or "no limit")
    times = (at.isoformat(sep=" ", timespec="seconds") if at else "" for at in (key.made_at, key.revoked_at))
    return [key.key_id, escape(key.name), " ".join(sorted(key.roles)), escape(key.customer_id or ""), limit, *times]
