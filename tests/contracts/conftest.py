"""The same contracts on SQLite and on PostgreSQL.

PostgreSQL runs where TWINSAGA_TEST_POSTGRES_URL names a server and a role that may create databases, or where
TWINSAGA_TEST_SERVERS names all the servers.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.wiring import Databases, Services, services_over
from tests.support.examples import SettableClock
from tests.support.real_servers import postgres_url
from tests.support.service_databases import Urls, empty, migrated_files, postgres_databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[tuple[Urls, Databases]]:
    url = postgres_url()
    assert url is not None
    with postgres_databases(url) as urls:
        databases = Databases.open(urls)
        yield urls, databases
        databases.close()


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Urls, Databases]]:
    if request.param == "postgres":
        urls, databases = request.getfixturevalue("postgres")
        empty(databases)
        yield urls, databases
        return
    urls = migrated_files(tmp_path)
    databases = Databases.open(urls)
    yield urls, databases
    databases.close()


@pytest.fixture
def urls(opened: tuple[Urls, Databases]) -> Urls:
    return opened[0]


@pytest.fixture
def databases(opened: tuple[Urls, Databases]) -> Databases:
    return opened[1]


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def services(databases: Databases, clock: SettableClock) -> Services:
    return services_over(databases, clock, publish=True)
