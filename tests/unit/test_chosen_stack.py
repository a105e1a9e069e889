"""Which stack a command works on, and that it says so."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.chosen_stack import chosen_settings
from cli.main import commands
from runtime.databases import migrate_databases
from runtime.errors import CannotRun
from runtime.run_folder import ready_file_in, write_whole
from runtime.settings import Settings

READY = {"temporal": "127.0.0.1:17233", "kafka": "127.0.0.1:19092", "redis": "redis://127.0.0.1:16379"}
ON_DATABASES = {
    "audit": ["audit"],
    "outbox": ["outbox", "republish"],
    "write-off": ["write-off", "6f1c0d52-0000-4000-8000-000000000000", "--note", "a test"],
    "retention": ["retention"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    migrate_databases(Settings(data_dir=folder))
    return folder


def ready_file(file: Path, data: Path) -> Path:
    write_whole(file, {**READY, "data": str(data), "processes": {}})
    return file


@pytest.mark.parametrize("command", ON_DATABASES)
def test_a_command_on_databases_prints_which(command: str, data: Path, tmp_path: Path) -> None:
    options = (["--data", str(data)], ["--ready-file", str(ready_file(tmp_path / "ready.json", data))])
    for chosen in options:
        done = CliRunner().invoke(commands, [*ON_DATABASES[command], *chosen])

        assert done.exit_code == 0, done.output
        assert f"database of payments: sqlite:///{data}/payments.db" in done.stderr
        assert "database of" not in done.stdout


@pytest.mark.parametrize("command", ON_DATABASES)
def test_a_folder_without_databases_is_refused_and_stays_empty(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(commands, [*ON_DATABASES[command], "--data", str(tmp_path)])

    assert isinstance(done.exception, CannotRun)
    assert f"there is no database {tmp_path}/orders.db" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_the_verdict_is_the_only_output_on_standard_output(data: Path) -> None:
    done = CliRunner().invoke(commands, ["audit", "--json", "--data", str(data)])

    assert json.loads(done.stdout)["ok"] is True


def test_a_ready_file_gives_the_addresses(data: Path, tmp_path: Path) -> None:
    settings = chosen_settings(None, ready_file(tmp_path / "ready.json", data))

    assert (settings.kafka_bootstrap, settings.temporal_address) == (READY["kafka"], READY["temporal"])
    assert settings.redis_url.get_secret_value() == READY["redis"]
    assert settings.data_dir == data


def test_the_data_folder_of_a_running_stack_gives_its_addresses(tmp_path: Path) -> None:
    ready_file(ready_file_in(tmp_path), tmp_path)

    assert chosen_settings(tmp_path, None).kafka_bootstrap == READY["kafka"]


def test_the_broker_of_a_data_folder_without_a_running_stack_is_unknown(data: Path) -> None:
    done = CliRunner().invoke(commands, ["dlq", "list", "--data", str(data)])

    assert isinstance(done.exception, CannotRun)
    assert "no stack runs in" in str(done.exception)


def test_a_ready_file_that_is_gone_or_no_ready_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("[not] a ready file")

    for file in ("gone.json", "notes.txt"):
        with pytest.raises(CannotRun, match=file):
            chosen_settings(None, tmp_path / file)


def test_only_one_stack_can_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter):
        chosen_settings(tmp_path, tmp_path / "ready.json")
