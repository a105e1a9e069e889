"""The services on real SQLite databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from runtime.wiring import Databases, Services, services_over
from tests.support.examples import SettableClock
from tests.support.service_databases import copied, migrated, sqlite_urls

# The same examples in every run, so that a failure can be reproduced on any machine.
settings.register_profile("repeatable", derandomize=True, print_blob=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    migrated(sqlite_urls(folder))
    return folder


@pytest.fixture
def databases(sqlite_template: Path, tmp_path: Path) -> Iterator[Databases]:
    databases = Databases.open(copied(sqlite_template, tmp_path))
    yield databases
    databases.close()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def services(databases: Databases, clock: SettableClock) -> Services:
    return services_over(databases, clock, publish=True)
