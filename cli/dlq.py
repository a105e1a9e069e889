"""`twinsaga dlq`: lists dead letters and redrives them, directly on the broker, so the API need not run."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.chosen_stack import Data, ReadyFile, chosen_settings

if TYPE_CHECKING:
    from messaging.dead_letters import LetterFilter, Redriven
    from messaging.kafka.dead_letter_box import DeadLetterBox

T = TypeVar("T")
dead_letters = typer.Typer(no_args_is_help=True, help="List the dead letters of the choreography, and redrive them.")

Topic = Annotated[str | None, typer.Option(metavar="TOPIC", help="Only letters that came from this topic.")]
Group = Annotated[str | None, typer.Option(metavar="GROUP", help="Only letters that this consumer group gave up.")]
OrderOption = Annotated[str | None, typer.Option("--order", metavar="ID", help="Only letters of this order.")]


@dead_letters.command("list")
def list_letters(
    topic: Topic = None,
    group: Group = None,
    order: OrderOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of letters.")] = 200,
    *,
    data: Data = None,
    ready_file: ReadyFile = None,
) -> None:
    """List dead letters, the oldest of each partition first.

    PLACE is the topic, partition and offset of a letter: use it with [bold]show[/bold] and [bold]redrive[/bold].

    Example: [bold]twinsaga dlq list --group payment-service[/bold]
    """
    from rich.console import Console
    from rich.table import Table

    table = Table("place", "type", "order", "given up by", "attempts", "error")
    with _box(data, ready_file) as box:
        page = box.page(_filter(topic, group, order), limit)
    for letter in page.letters:
        story = letter.story
        table.add_row(
            *(letter.place, letter.event_type, letter.correlation_key or ""),
            *(story.get("group", ""), story.get("attempts", ""), story.get("error", "")),
        )
    Console(highlight=False).print(table)
    if page.following is not None:
        typer.echo("There are more letters. Use --limit, --topic, --group or --order.", err=True)


@dead_letters.command("show")
def show_letter(
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET")],
    data: Data = None,
    ready_file: ReadyFile = None,
) -> None:
    """Show why one message became a dead letter. Its value is not shown: it contains names, addresses and card tokens.

    Example: [bold]twinsaga dlq show inventory.dlq/0/17[/bold]
    """
    from rich.console import Console

    with _box(data, ready_file) as box:
        letter = _found(box.find(place), place)
    shown = {"place": letter.place, "type": letter.event_type, "order_id": letter.correlation_key, **letter.story}
    Console(highlight=False).print_json(data=shown)


@dead_letters.command("redrive")
def redrive(  # noqa: PLR0913 - one argument an option
    place: Annotated[str | None, typer.Argument(metavar="[TOPIC/PARTITION/OFFSET]")] = None,
    topic: Topic = None,
    group: Group = None,
    order: OrderOption = None,
    every: Annotated[bool, typer.Option("--all", help="Redrive all of them.")] = False,
    *,
    data: Data = None,
    ready_file: ReadyFile = None,
) -> None:
    """Send dead letters to their topics again: the one at a place, those that match the options, or all.

    It is safe to repeat: a consumer that has handled an event drops it. A message that still fails comes back as a new
    dead letter.

    Example: [bold]twinsaga dlq redrive inventory.dlq/0/17[/bold]
    """
    from runtime.errors import CannotRun

    if not (place or topic or group or order or every):
        raise CannotRun("choose the letters: a place, --topic, --group, --order or --all")
    with _box(data, ready_file) as box:
        parts: Iterable[Redriven] = (
            [_found(box.redrive_one(place), place)] if place else _all(box, _filter(topic, group, order))
        )
        sent = left = 0
        for part in parts:
            sent, left = sent + part.sent, left + part.left
            if part.following is not None:
                typer.echo(f"{sent} redriven so far", err=True)
    typer.echo(f"{sent} redriven" + (f", {left} cannot go back" if left else ""))


def _all(box: "DeadLetterBox", wanted: "LetterFilter") -> "Iterator[Redriven]":
    part = box.redrive(wanted)
    yield part
    while part.following is not None:
        part = box.redrive(wanted, part.following)
        yield part


@contextmanager
def _box(data: Path | None, ready_file: Path | None) -> "Iterator[DeadLetterBox]":
    """Print which broker is used. Raises CannotRun when it does not answer."""
    from messaging.errors import Fault
    from messaging.kafka.dead_letter_box import DeadLetterBox
    from runtime.errors import CannotRun
    from runtime.kafka import CONSUMED_TOPICS, kafka_connection
    from runtime.run_folder import ready_file_in

    settings = chosen_settings(data, ready_file)
    if data is not None and not ready_file_in(data).exists():
        raise CannotRun(f"no stack runs in {data}, so the address of its broker is unknown")
    typer.echo(f"broker: {settings.kafka_bootstrap}", err=True)
    try:
        yield DeadLetterBox(kafka_connection(settings), CONSUMED_TOPICS)
    except Fault as away:
        raise CannotRun(str(away)) from away


def _filter(topic: str | None, group: str | None, order: str | None) -> "LetterFilter":
    from messaging.dead_letters import LetterFilter

    return LetterFilter(topic=topic, group=group, correlation_key=order)


def _found(found: T | None, place: str) -> T:
    from runtime.errors import CannotRun

    if found is None:
        raise CannotRun(f"there is no dead letter at {place}")
    return found
