"""What we write about customers, and secrets, can be read by our user only."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.sql.migrations import migrate
from embedded.stack import locked_for_one_stack
from messaging.sql.database import Database
from runtime.readiness import announce_ready
from runtime.run_folder import write_whole
from runtime.settings import Settings


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_database_and_the_files_beside_it_are_private_in_a_private_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    migrate(settings.database_url("orders"), "orders")
    database = Database.open(settings.database_url("orders"), service="orders")
    try:
        with database.writing() as connection:
            connection.execute(text("CREATE TABLE more (id INTEGER)"))
            connection.commit()
            modes = {ending: mode(tmp_path / "data" / f"orders.db{ending}") for ending in ("", "-wal", "-shm")}
    finally:
        database.close()

    assert mode(tmp_path / "data") == 0o700
    assert set(modes.values()) == {0o600}


def test_a_database_that_everybody_could_read_becomes_private(tmp_path: Path) -> None:
    file = tmp_path / "orders.db"
    file.touch()
    file.chmod(0o644)

    migrate(f"sqlite:///{file}", "orders")

    assert mode(file) == 0o600


def test_the_ready_files_and_the_data_folder_are_private(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    with locked_for_one_stack(tmp_path / "data"):
        write_whole(tmp_path / "ready.json", {"redis": "redis://:k3y@127.0.0.1"})
        announce_ready(Settings(serve_ready_file=tmp_path / "api.ready"))

    assert mode(tmp_path / "data") == 0o700
    assert (mode(tmp_path / "ready.json"), mode(tmp_path / "api.ready")) == (0o600, 0o600)
