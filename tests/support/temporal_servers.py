"""Temporal for tests: the time-skipping test server and the development server."""

import sysconfig
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, Interceptor
from temporalio.testing import WorkflowEnvironment

from embedded.binaries import temporal_binary
from runtime.settings import Settings
from runtime.temporal import data_converter
from sagas.status import SAGA_STATUS, SAGA_STEP, SAGA_STYLE
from services.names import SEARCH_ATTRIBUTES
from workflows.order_attributes import ORDER_ID

STARTUP_DEADLINE = timedelta(seconds=60)
"""The default, five seconds, is too short for a busy machine."""
TEST_SERVER = Path(sysconfig.get_path("scripts")) / "temporal-test-server"


async def real_server(
    *interceptors: Interceptor, settings: Settings | None = None, database: Path | None = None
) -> WorkflowEnvironment:
    """Start the development server: it supports search, worker versions and eager starts; the test server does not.

    `settings`: payload keys are read from them. `database`: the file of its database, which is in memory without one.
    """
    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(None),
        dev_server_database_filename=None if database is None else str(database),
        data_converter=data_converter(settings or Settings()),
        search_attributes=[SAGA_STYLE, SAGA_STATUS, SAGA_STEP, ORDER_ID],
        interceptors=interceptors,
        dev_server_startup_timeout=STARTUP_DEADLINE,
    )


async def create_search_attributes(client: Client) -> None:
    """On the test server, which has none."""
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=client.namespace, search_attributes=dict.fromkeys(SEARCH_ATTRIBUTES, keyword)
        )
    )
