"""The `twinsaga` program: one Typer application, one module in `cli` for each sub-command."""

import sys
from typing import Annotated

import typer

from cli import (
    audit,
    bench,
    bootstrap,
    compare,
    dlq,
    health,
    kafka_acls,
    keys,
    lab,
    migrate,
    order,
    outbox,
    retention,
    serve,
    up,
    write_off,
)
from runtime.errors import CannotRun

commands = typer.Typer(
    name="twinsaga",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"twinsaga {version('twinsaga')}")
        raise typer.Exit


@commands.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """One order saga, run two ways on real engines: orchestrated on Temporal, choreographed over Kafka.

    Start with [bold]twinsaga up[/bold]. Every setting is an environment variable that begins with TWINSAGA_.
    """


commands.command("up")(up.up)
commands.command("demo")(compare.demo)
commands.command("compare")(compare.compare)
commands.command("bench")(bench.bench)
commands.command("lab")(lab.lab)
commands.command("audit")(audit.audit)
commands.command("write-off")(write_off.write_off)
commands.add_typer(order.orders, name="order")
commands.add_typer(dlq.dead_letters, name="dlq")
commands.add_typer(outbox.outbox, name="outbox")
commands.add_typer(keys.keys, name="keys")
commands.command("serve")(serve.serve)
commands.command("migrate")(migrate.migrate)
commands.command("bootstrap")(bootstrap.bootstrap)
commands.command("kafka-acls")(kafka_acls.kafka_acls)
commands.command("health")(health.health)
commands.command("retention")(retention.retention)


def app() -> None:
    """Run the command line. An expected failure prints one message, without a traceback, and exits with 1."""
    try:
        commands()
    except CannotRun as why:
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True, highlight=False).print(f"[red]twinsaga:[/red] {escape(str(why))}", soft_wrap=True)
        sys.exit(1)
