from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from tests.support.at_steps import AtSteps
from tests.support.saga_shop import SagaShop, open_shop
from tests.support.service_databases import migrated_files
from tests.support.temporal_servers import TEST_SERVER


@pytest.fixture
def at_steps() -> AtSteps:
    return AtSteps()


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps) -> AsyncIterator[WorkflowEnvironment]:
    """The time-skipping test server. A module overrides this to use the development server."""
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(TEST_SERVER),
        data_converter=pydantic_data_converter,
        interceptors=[at_steps],
        identity="order-saga-tests",
    )
    async with environment:
        yield environment


@pytest.fixture
def pix_expiry() -> timedelta | None:
    """Time limit of a pix payment. Override it to use another one than in production."""
    return None


@pytest_asyncio.fixture
async def closed_shop(
    environment: WorkflowEnvironment,
    at_steps: AtSteps,
    tmp_path: Path,
    pix_expiry: timedelta | None,
) -> AsyncIterator[SagaShop]:
    """A shop without a worker."""
    async with open_shop(environment, at_steps, migrated_files(tmp_path), pix_expiry) as shop:
        yield shop


@pytest_asyncio.fixture
async def shop(closed_shop: SagaShop) -> AsyncIterator[SagaShop]:
    async with closed_shop.worker():
        yield closed_shop
