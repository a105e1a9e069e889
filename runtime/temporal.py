"""Connections to Temporal, and the start of a saga."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import CompositePayloadConverter, DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Plugin, UnsandboxedWorkflowRunner

from domain.ids import OrderId
from domain.order import OrderOutcome, OrderRequest, SagaStyle
from messaging import tracing
from runtime.errors import CannotRun
from runtime.payload_codec import EncryptedFailureConverter, EncryptingCodec
from runtime.settings import Settings
from workflows.order_attributes import first_attributes, summary_of
from workflows.order_saga import OrderSaga, workflow_id

CONNECT_DEADLINE_S = 5.0
RPC_DEADLINE = timedelta(seconds=5)

_SHARED = PydanticPayloadConverter()


class SharedPydanticPayloadConverter(CompositePayloadConverter):
    """Pydantic's JSON, with one cache of schemas for all.

    The SDK creates a converter for each workflow, and for each payload with a context, and each converter caches its
    own schemas. Without sharing, a worker spends a sixth of its time on building the same schemas again.
    """

    def __init__(self) -> None:
        super().__init__(*_SHARED.converters.values())


def data_converter(settings: Settings) -> DataConverter:
    """With payload keys in the settings, Temporal stores no argument, result or error text that it can read."""
    converter = replace(
        pydantic_data_converter,
        payload_converter_class=SharedPydanticPayloadConverter,
        payload_codec=EncryptingCodec(settings.payload_keys),
    )
    if settings.payload_keys is None:
        return converter
    return replace(converter, failure_converter_class=EncryptedFailureConverter)


async def connect(settings: Settings, runtime: Runtime | None = None) -> Client:
    """Connect to the server of the settings. All clients and workers of ours are made from this connection.

    A profile of Temporal's configuration file adds TLS and API keys.

    Raises CannotRun: no Temporal server answers within CONNECT_DEADLINE_S.
    """
    config: dict[str, Any] = {}
    if settings.temporal_profile is not None:
        config = dict(ClientConfig.load_client_connect_config(profile=settings.temporal_profile))
    config = {"target_host": settings.temporal_address, "namespace": settings.temporal_namespace} | config
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            options = config | _tracing_options()
            return await Client.connect(**options, data_converter=data_converter(settings), runtime=runtime)
    except (RuntimeError, TimeoutError) as error:
        raise CannotRun(f"Temporal does not answer at {config['target_host']}: {error!r}") from error


def _tracing_options() -> dict[str, Any]:
    if not tracing.are_on():
        return {}
    from runtime.temporal_tracing import tracing_options  # noqa: PLC0415 - it imports OpenTelemetry's SDK

    return dict(tracing_options())


def runner_plugins(settings: Settings) -> list[Plugin]:
    """Run workflows without the sandbox, unless the settings enable it.

    The sandbox detects code that would make a replay differ, and takes a third of a worker's time. The tests run every
    workflow in it.
    """
    if settings.workflow_sandbox:
        return []
    return [SimplePlugin("UnsandboxedPlugin", workflow_runner=UnsandboxedWorkflowRunner())]


async def start_saga(
    client: Client, request: OrderRequest, settings: Settings
) -> WorkflowHandle[OrderSaga, OrderOutcome]:
    """Start the order's saga. Repeatable: a saga that runs or has ended is not changed. Raises RPCError: retry."""
    try:
        return await client.start_workflow(
            OrderSaga.run,
            request,
            id=workflow_id(request.order_id),
            task_queue=settings.temporal_task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=first_attributes(request.order_id, SagaStyle.ORCHESTRATED),
            static_summary=summary_of(request),
            rpc_timeout=RPC_DEADLINE,
        )
    except WorkflowAlreadyStartedError:
        return client.get_workflow_handle_for(OrderSaga.run, workflow_id(request.order_id))


async def repair_saga(client: Client, request: OrderRequest, settings: Settings) -> None:
    """Start a saga that continues an order whose saga was lost. A saga that runs is not changed. Raises RPCError."""
    await client.start_workflow(
        OrderSaga.run,
        request,
        id=workflow_id(request.order_id),
        task_queue=settings.temporal_task_queue,
        start_signal="repair",
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=first_attributes(request.order_id, SagaStyle.ORCHESTRATED),
        static_summary=f"repair of the {summary_of(request)}",
        rpc_timeout=RPC_DEADLINE,
    )


async def saga_status(client: Client, order_id: OrderId) -> WorkflowExecutionStatus | None:
    """Return the status of the order's newest saga; None if Temporal has none. Raises RPCError."""
    try:
        shown = await client.get_workflow_handle(workflow_id(order_id)).describe(rpc_timeout=RPC_DEADLINE)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return shown.status
