"""Creates what our workflows need on a Temporal server: the namespace and its search attributes."""

import asyncio
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.errors import CannotRun
from runtime.settings import Settings
from runtime.temporal import connect
from services.names import SEARCH_ATTRIBUTES

HISTORY_RETENTION = timedelta(days=7)
"""How long Temporal keeps the history of a closed workflow. The databases keep orders far longer."""
CALL_DEADLINE = timedelta(seconds=5)
RETRY_EVERY_S = 0.25
_USES_ALL = " AND ".join(f"{name} = 'none'" for name in SEARCH_ATTRIBUTES)


def prepare_namespace(settings: Settings, deadline_s: float) -> None:
    """Create what is missing, and return when workflows can be started. Repeatable. Raises CannotRun: not in time.

    On Temporal Cloud create the namespace and its search attributes beforehand; this function then only finds them.
    """
    asyncio.run(_prepare(settings, deadline_s))


async def _prepare(settings: Settings, deadline_s: float) -> None:
    last: object = "no answer"
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                try:
                    await _create_missing(await connect(settings), settings.temporal_namespace)
                except (CannotRun, RPCError) as fault:
                    last = fault
                    await asyncio.sleep(RETRY_EVERY_S)
                else:
                    return
    except TimeoutError as late:
        raise CannotRun(f"Temporal is not ready after {deadline_s:.0f} s: {last}") from late


async def _create_missing(client: Client, namespace: str) -> None:
    await _create_namespace(client, namespace)
    await _create_search_attributes(client, namespace)
    # The caches of the server lag behind by seconds: a query that uses both proves that they are usable.
    await client.count_workflows(_USES_ALL, rpc_timeout=CALL_DEADLINE)


async def _create_namespace(client: Client, namespace: str) -> None:
    service = client.workflow_service
    try:
        await service.describe_namespace(DescribeNamespaceRequest(namespace=namespace), timeout=CALL_DEADLINE)
    except RPCError as fault:
        if fault.status is not RPCStatusCode.NOT_FOUND:
            raise
        retention = Duration()
        retention.FromTimedelta(HISTORY_RETENTION)
        request = RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
        try:
            await service.register_namespace(request, timeout=CALL_DEADLINE)
        except RPCError as failure:
            if failure.status is not RPCStatusCode.ALREADY_EXISTS:  # another process created it meanwhile
                raise


async def _create_search_attributes(client: Client, namespace: str) -> None:
    operator = client.operator_service
    existing = await operator.list_search_attributes(
        ListSearchAttributesRequest(namespace=namespace), timeout=CALL_DEADLINE
    )
    missing = {
        name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        for name in SEARCH_ATTRIBUTES
        if name not in existing.custom_attributes
    }
    if missing:
        request = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
        await operator.add_search_attributes(request, timeout=CALL_DEADLINE)
