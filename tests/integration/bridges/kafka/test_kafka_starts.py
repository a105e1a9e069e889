"""How a route starts a workflow: arguments, timeouts, memo, ids that may be used again, attributes that are missing."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.worker import Worker

from tests.integration.bridges.kafka.estate import Estate
from tests.integration.bridges.kafka.payment import Payment
from tests.integration.bridges.kafka.routes import OPEN, ROUTES, entry
from tests.support.waiting import soon
from twinsaga_bridges.kafka_into_workflow import Arguments, Counts, SignalWithStart, Start

QUEUE = "payments"
AGAIN_IF_FAILED = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY


PAY = Start(
    workflow="Payment",
    workflow_id=lambda event: f"payment/{event.key}",
    task_queue=QUEUE,
    argument=lambda event: Arguments(event.key, event.data),
    memo=lambda event: {"event": event.id},
    execution_timeout=timedelta(hours=2),
    run_timeout=timedelta(hours=1),
    task_timeout=timedelta(seconds=7),
    id_reuse_policy=AGAIN_IF_FAILED,
)


async def test_a_workflow_gets_several_arguments_timeouts_and_a_memo_and_starts_again_if_it_failed(
    estate: Estate,
) -> None:
    async def status() -> WorkflowExecutionStatus | None:
        return (await estate.client.get_workflow_handle("payment/ana").describe()).status

    async with (
        Worker(estate.client, task_queue=QUEUE, workflows=[Payment]),
        estate.bridging(routes={"invoice.sent": PAY}) as bridge,
    ):
        estate.send(("e1", "invoice.sent", "ana", 0))
        await estate.await_committed(1)
        await soon(status, lambda found: found is WorkflowExecutionStatus.FAILED)
        estate.send(("e1", "invoice.sent", "ana", 0), ("e2", "invoice.sent", "ana", 5))
        await estate.await_committed(3)
        handle = estate.client.get_workflow_handle("payment/ana")
        assert await handle.result() == "ana paid 5"
        estate.send(("e3", "invoice.sent", "ana", 6))
        await estate.await_committed(4)

        started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    assert await (await handle.describe()).memo() == {"event": "e2"}
    timeouts = (
        started.workflow_execution_timeout,
        started.workflow_run_timeout,
        started.workflow_task_timeout,
    )
    assert [each.seconds for each in timeouts] == [7200, 3600, 7]
    assert bridge.counts == Counts(delivered=2, duplicates=2)


async def test_an_id_that_must_not_run_twice_is_a_dead_letter_and_its_repetition_is_not(estate: Estate) -> None:
    start = replace(OPEN, id_conflict_policy=WorkflowIDConflictPolicy.FAIL)
    async with estate.bridging(routes={"ledger.opened": start}) as bridge:
        estate.send(*[("e1", "ledger.opened", "a", 0)] * 2, ("e2", "ledger.opened", "a", 0))
        await estate.await_committed(3)
    (letter,) = estate.graveyard.letters
    assert "under the id ledger/a" in letter
    assert bridge.counts == Counts(delivered=1, duplicates=1, dead_letters=1)


async def test_where_an_id_may_start_again_a_repetition_after_the_end_starts_nothing(estate: Estate) -> None:
    again = replace(OPEN, id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE)
    routes = {**ROUTES, "ledger.written": SignalWithStart(signal="write", start=again, argument=entry)}
    async with estate.bridging(routes=routes):
        estate.send(("e1", "ledger.written", "a", 1), ("e2", "ledger.closed", "a", 0))
        await estate.await_committed(2)
        handle = estate.client.get_workflow_handle("ledger/a")
        assert await handle.result() == [1]

        estate.send(("e1", "ledger.written", "a", 1))
        await estate.await_committed(3)
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
        estate.send(("e3", "ledger.written", "a", 3))
        await estate.await_committed(4)

        assert await estate.numbers("a") == [3]
    assert estate.graveyard.letters == []


def test_what_no_signal_can_use_is_refused_when_the_route_is_made() -> None:
    with pytest.raises(ValueError, match="FAIL is for Start only"):
        SignalWithStart(signal="s", start=replace(OPEN, id_conflict_policy=WorkflowIDConflictPolicy.FAIL))


async def test_events_wait_for_a_search_attribute_that_the_namespace_lacks(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    region = SearchAttributeKey.for_keyword("BridgeTestRegion")

    def attributes(_: object) -> TypedSearchAttributes:
        return TypedSearchAttributes([SearchAttributePair(region, "south")])

    start = replace(OPEN, search_attributes=attributes)
    routes = {**ROUTES, "ledger.opened": start}

    async def logged() -> str:
        return caplog.text

    async with estate.bridging(routes=routes):
        estate.send(("e1", "ledger.opened", "a", 0), ("e2", "ledger.opened", "c", 0), ("e3", "ledger.written", "b", 1))
        await soon(logged, lambda text: "BridgeTestRegion (Keyword): create them" in text)
        assert await soon(lambda: estate.numbers("b"), bool) == [1]  # others do not wait
        assert await asyncio.to_thread(estate.committed) < 3

        await estate.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=estate.client.namespace,
                search_attributes={region.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD},
            )
        )
        await estate.await_committed(3)

    found = await estate.client.get_workflow_handle("ledger/a").describe()
    assert found.typed_search_attributes[region] == "south"
    assert estate.graveyard.letters == []
    assert caplog.text.count("wait and are delivered again") == 1
