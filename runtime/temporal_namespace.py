"""Makes what our workflows need of a Temporal server: the namespace, and the search attributes in it."""

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
from workflows.saga_status import SEARCH_ATTRIBUTES

KEPT_AFTER_ITS_END = timedelta(days=7)
"""A workflow's history. Orders are remembered by the databases, far longer."""
CALL_DEADLINE = timedelta(seconds=5)
AGAIN_AFTER_S = 0.25
_THERE_ALREADY = RPCStatusCode.ALREADY_EXISTS
_USES_ALL = " AND ".join(f"{name} = 'none'" for name in SEARCH_ATTRIBUTES)


def prepare_namespace(settings: Settings, deadline_s: float) -> None:
    """Make what is missing, and return when workflows can be started with it. Doing it again changes nothing.

    Raises:
        CannotRun: not within the deadline; the message has the last thing that went wrong. On Temporal Cloud a
            namespace and its search attributes are made beforehand, and this only finds them.
    """
    try:
        asyncio.run(_prepare(settings, deadline_s))
    except TimeoutError:
        raise CannotRun(f"Temporal took longer than {deadline_s:.0f} s to make the namespace") from None


async def _prepare(settings: Settings, deadline_s: float) -> None:
    last: Exception | None = None
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                try:
                    await _make_what_is_missing(await connect(settings), settings.temporal_namespace)
                except (CannotRun, RPCError) as fault:
                    last = fault
                    await asyncio.sleep(AGAIN_AFTER_S)
                else:
                    return
    except TimeoutError:
        if last is None:
            raise
        raise CannotRun(f"Temporal is not ready after {deadline_s:.0f} s: {last}") from last


async def _make_what_is_missing(client: Client, namespace: str) -> None:
    await _make_namespace(client, namespace)
    await _make_search_attributes(client, namespace)
    # The server knows both by its caches, which lag behind by seconds.
    await client.count_workflows(_USES_ALL, rpc_timeout=CALL_DEADLINE)


async def _make_namespace(client: Client, namespace: str) -> None:
    service = client.workflow_service
    try:
        await service.describe_namespace(DescribeNamespaceRequest(namespace=namespace), timeout=CALL_DEADLINE)
    except RPCError as fault:
        if fault.status is not RPCStatusCode.NOT_FOUND:
            raise
        retention = Duration()
        retention.FromTimedelta(KEPT_AFTER_ITS_END)
        request = RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
        try:
            await service.register_namespace(request, timeout=CALL_DEADLINE)
        except RPCError as late:
            if late.status is not _THERE_ALREADY:
                raise


async def _make_search_attributes(client: Client, namespace: str) -> None:
    operator = client.operator_service
    there = await operator.list_search_attributes(
        ListSearchAttributesRequest(namespace=namespace), timeout=CALL_DEADLINE
    )
    missing = {
        name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        for name in SEARCH_ATTRIBUTES
        if name not in there.custom_attributes
    }
    if missing:
        request = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
        await operator.add_search_attributes(request, timeout=CALL_DEADLINE)
