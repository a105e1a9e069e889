"""The command line itself: its version, and help for every command."""

from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.main import commands


def commands_below(command: Any, path: str = "") -> dict[str, Any]:  # noqa: ANN401 - Typer's own copy of Click has no types
    found = {path: command}
    for name, each in getattr(command, "commands", {}).items():
        found |= commands_below(each, f"{path} {name}".strip())
    return found


COMMANDS = commands_below(typer.main.get_command(commands))


def test_the_version_is_that_of_the_package() -> None:
    answer = CliRunner().invoke(commands, ["--version"])

    assert (answer.exit_code, answer.stdout) == (0, f"twinsaga {version('twinsaga')}\n")


def test_the_program_has_its_commands() -> None:
    assert {"up", "serve", "audit", "order place", "order list", "dlq redrive", "outbox republish"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    options = [each for each in command.params if each.param_type_name == "option"]
    assert [option.name for option in options if not option.help] == []
