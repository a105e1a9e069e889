from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from runtime.dead_letter_box import DeadLetterBox, Letter

dead_letters = typer.Typer(no_args_is_help=True, help="Look at the dead letters of the choreography, and redrive them.")

Topic = Annotated[str | None, typer.Option(metavar="TOPIC", help="Only those that came from this topic.")]
Group = Annotated[str | None, typer.Option(metavar="GROUP", help="Only those that this consumer group gave up.")]
OrderOption = Annotated[str | None, typer.Option("--order", metavar="ID", help="Only those of this order.")]


@dead_letters.command("list")
def list_letters(topic: Topic = None, group: Group = None, order: OrderOption = None) -> None:
    """List dead letters; those of one order, the oldest first."""
    from rich.console import Console
    from rich.table import Table

    table = Table("place", "type", "order", "given up by", "attempts", "error")
    for letter in _wanted(_box().letters(), topic, group, order):
        story = letter.story
        table.add_row(
            *(letter.place, letter.event_type, letter.order_id),
            *(story.get("group", ""), story.get("attempts", ""), story.get("error", "")),
        )
    Console(highlight=False).print(table)


@dead_letters.command("show")
def show_letter(place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET")]) -> None:
    """Show one dead letter with its story, but not its value: that holds names, addresses and card tokens."""
    from rich.console import Console

    letter = _at(_box().letters(), place)
    shown = {"place": letter.place, "type": letter.event_type, "order_id": letter.order_id, **letter.story}
    Console(highlight=False).print_json(data=shown)


@dead_letters.command("redrive")
def redrive(
    place: Annotated[str | None, typer.Argument(metavar="[TOPIC/PARTITION/OFFSET]")] = None,
    topic: Topic = None,
    group: Group = None,
    order: OrderOption = None,
    every: Annotated[bool, typer.Option("--all", help="Redrive all of them.")] = False,
) -> None:
    """Send dead letters to their topics again: one by its place, those that the options name, or all.

    It is safe to repeat: whoever handled an event before drops it. What still cannot be handled comes back as a new
    dead letter.
    """
    from runtime.errors import CannotRun

    if not (place or topic or group or order or every):
        raise CannotRun("say which: a place, --topic, --group, --order or --all")
    box = _box()
    letters = box.letters()
    wanted = [_at(letters, place)] if place else _wanted(letters, topic, group, order)
    sent = box.redrive(wanted)
    typer.echo(f"{sent} redriven" + (f", {len(wanted) - sent} cannot go back" if sent < len(wanted) else ""))


def _box() -> "DeadLetterBox":
    from adapters.kafka.connection import KafkaConnection
    from runtime.dead_letter_box import DeadLetterBox
    from runtime.settings import load_settings

    settings = load_settings()
    return DeadLetterBox(
        KafkaConnection(
            bootstrap=settings.kafka_bootstrap,
            session_timeout_ms=settings.session_timeout_ms,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
        )
    )


def _wanted(letters: "Sequence[Letter]", topic: str | None, group: str | None, order: str | None) -> "Sequence[Letter]":
    return [
        letter
        for letter in letters
        if topic in {None, letter.story.get("topic")}
        and group in {None, letter.story.get("group")}
        and order in {None, letter.order_id}
    ]


def _at(letters: "Sequence[Letter]", place: str) -> "Letter":
    from runtime.errors import CannotRun

    found = next((letter for letter in letters if letter.place == place), None)
    if found is None:
        raise CannotRun(f"no dead letter is at {place}")
    return found
