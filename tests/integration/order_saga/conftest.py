import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from tests.integration.order_saga.at_steps import AtSteps
from tests.integration.order_saga.saga_shop import SagaShop, open_shop
from tests.service_databases import copied, migrated, sqlite_urls

TEST_SERVER = Path(sysconfig.get_path("scripts")) / "temporal-test-server"


@pytest.fixture(scope="session")
def empty_databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty-databases")
    migrated(sqlite_urls(folder))
    return folder


@pytest.fixture
def at_steps() -> AtSteps:
    return AtSteps()


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    """Skips timers. A module that needs real time overrides it with the real server."""
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(TEST_SERVER),
        data_converter=pydantic_data_converter,
        interceptors=[at_steps],
        identity="order-saga-tests",
    )
    async with environment:
        yield environment


@pytest_asyncio.fixture
async def closed_shop(
    environment: WorkflowEnvironment, at_steps: AtSteps, empty_databases: Path, tmp_path: Path
) -> AsyncIterator[SagaShop]:
    """No worker runs yet."""
    async with open_shop(environment, at_steps, copied(empty_databases, tmp_path)) as shop:
        yield shop


@pytest_asyncio.fixture
async def shop(closed_shop: SagaShop) -> AsyncIterator[SagaShop]:
    async with closed_shop.worker():
        yield closed_shop
