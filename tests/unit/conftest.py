"""The services on real SQLite databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from runtime.wiring import Databases, Services, services_over
from tests.support.examples import SettableClock
from tests.support.service_databases import migrated_files

# The same examples in every run, so that a failure can be reproduced on any machine.
settings.register_profile("repeatable", derandomize=True, print_blob=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Databases]:
    databases = Databases.open(migrated_files(tmp_path))
    yield databases
    databases.close()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def services(databases: Databases, clock: SettableClock) -> Services:
    return services_over(databases, clock, publish=True)
