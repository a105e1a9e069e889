"""The command line itself: its version, and help for every command."""

from importlib.metadata import version

import click
import pytest
import typer
from typer.testing import CliRunner

from cli.main import commands


def commands_of(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = command.commands if isinstance(command, click.Group) else {}
    return [path, *(found for name, each in below.items() for found in commands_of(each, (*path, name)))]


def test_the_version_is_that_of_the_package() -> None:
    answer = CliRunner().invoke(commands, ["--version"])

    assert (answer.exit_code, answer.stdout) == (0, f"twinsaga {version('twinsaga')}\n")


@pytest.mark.parametrize("path", commands_of(typer.main.get_command(commands)), ids=" ".join)
def test_every_command_and_option_has_help(path: tuple[str, ...]) -> None:
    command = typer.main.get_command(commands)
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]

    assert command.help
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []
