"""The API on Temporal: starting sagas, and acting on those that run."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from api.problems import EngineAway, NotPossibleNow
from domain.commands import ChargePayment, CreateOrder, PlaceOrder
from domain.events import OrderCreated
from domain.ids import OrderId, Sku, new_order_id
from domain.money import Money
from domain.order import OrderRequest, OrderStatus, Pix, Reason, SagaStyle
from embedded.binaries import temporal_binary
from messaging.sql.outbox import Outbox
from processes.api.order_control import OrchestratedControl
from processes.api.saga_starter import Temporal, TemporalStarter
from processes.saga_worker.sweep import SweepTimes, sweep
from runtime.settings import Settings
from runtime.temporal import connect, repair_saga, start_saga
from runtime.wiring import open_services
from sagas.status import SAGA_STATUS, SAGA_STEP, SAGA_STYLE
from services.intake.order_body import OrderPairBody
from tests.support.api_bodies import PAIR
from tests.support.saga_shop import eventually
from tests.support.service_databases import migrated_files
from twinsaga_bridges.backoff import Backoff
from workflows.order_attributes import ORDER_ID
from workflows.order_saga import workflow_id


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(None),
        data_converter=pydantic_data_converter,
        search_attributes=[SAGA_STYLE, SAGA_STATUS, SAGA_STEP, ORDER_ID],
    )
    async with environment:
        yield environment.client


@pytest.fixture
def settings(tmp_path: Path, server: Client) -> Settings:
    settings = Settings(data_dir=tmp_path, temporal_address=server.service_client.config.target_host)
    migrated_files(tmp_path)
    return settings


def temporal_of(settings: Settings) -> Temporal:
    return Temporal(lambda: connect(settings))


def control_of(settings: Settings, deadline_s: float = 5.0) -> OrchestratedControl:
    start_repair = partial(repair_saga, settings=settings)
    return OrchestratedControl(temporal=temporal_of(settings), start_repair=start_repair, deadline_s=deadline_s)


def request() -> OrderRequest:
    return OrderPairBody.model_validate(PAIR).to_request(new_order_id())


@pytest.mark.asyncio(loop_scope="module")
async def test_starting_twice_is_one_saga(server: Client, settings: Settings) -> None:
    starter = TemporalStarter(temporal_of(settings), lambda client, order: start_saga(client, order, settings))
    order = request()

    assert await starter.answers()
    await starter.start(order)
    first = await server.get_workflow_handle(workflow_id(order.order_id)).describe()
    await starter.start(order)
    again = await server.get_workflow_handle(workflow_id(order.order_id)).describe()

    assert first.run_id == again.run_id
    await server.get_workflow_handle(workflow_id(order.order_id)).terminate()
    await starter.start(order)


async def test_without_temporal_the_check_fails(tmp_path: Path) -> None:
    away = temporal_of(Settings(data_dir=tmp_path, temporal_address="127.0.0.1:9"))

    assert not await TemporalStarter(away, lambda client, order: start_saga(client, order, Settings())).answers()


async def test_a_temporal_that_went_away_does_not_answer(tmp_path: Path) -> None:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=temporal_binary(None)) as server:
        address = server.client.service_client.config.target_host
        settings = Settings(data_dir=tmp_path, temporal_address=address)
        starter = TemporalStarter(temporal_of(settings), lambda client, order: start_saga(client, order, settings))
        assert await starter.answers()

    assert not await starter.answers()


@pytest.mark.asyncio(loop_scope="module")
async def test_an_order_whose_saga_does_not_run_cannot_be_cancelled(settings: Settings) -> None:
    control = control_of(settings)

    with pytest.raises(NotPossibleNow, match="no saga"):
        await control.cancel(OrderId(str(uuid4())))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_saga_without_a_worker_is_a_503_and_not_a_refusal(settings: Settings) -> None:
    control, order = control_of(settings, deadline_s=1.0), request()
    await start_saga(await control.temporal.client(), order, settings)

    with pytest.raises(EngineAway):
        await control.cancel(order.order_id)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_sweep_starts_a_missing_saga_and_ends_an_order_whose_saga_was_terminated(
    server: Client, settings: Settings
) -> None:
    times = SweepTimes(every_s=0.05, older_than=timedelta(0), pauses=Backoff(longest_s=0.05))
    services = open_services(settings, publish=False)
    order = request()
    services.orders.place(PlaceOrder(request=order, style=SagaStyle.ORCHESTRATED, fingerprint="its body"))
    saga = server.get_workflow_handle(workflow_id(order.order_id))

    async def runs() -> bool:
        return [execution.id async for execution in server.list_workflows(f"WorkflowId = '{saga.id}'")] == [saga.id]

    async def is_cancelled() -> bool:
        return services.orders.find(order.order_id).status is OrderStatus.CANCELLED

    sweeping = asyncio.create_task(sweep(server, services, settings, times))
    await eventually(runs, "the forgotten order's saga runs")
    assert not await is_cancelled()
    await saga.terminate("an operator gave it up")
    await eventually(is_cancelled, "the order ends")
    sweeping.cancel()

    assert services.orders.find(order.order_id).reason is Reason.TIMED_OUT
    services.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_sweep_publishes_the_events_of_silent_choreographed_orders_again(
    server: Client, settings: Settings
) -> None:
    times = SweepTimes(every_s=0.05, silent_for=timedelta(0), pauses_between_publications=Backoff(longest_s=0.05))
    services = open_services(settings, publish=True)
    services.orders.set_price(Sku("COFFEE"), Money(amount=1, currency="BRL"))
    silent, waits_for_customer = request(), replace(request(), payment=Pix())
    for order in (silent, waits_for_customer):
        services.orders.place(PlaceOrder(request=order, style=SagaStyle.CHOREOGRAPHED, fingerprint="its body"))
    created = services.orders.create(CreateOrder(order=waits_for_customer))
    assert isinstance(created, OrderCreated)
    services.payments.charge(ChargePayment(order=created.order))
    outboxes = [Outbox(database) for database in services.databases.journals]
    for outbox in outboxes:
        outbox.mark_published([row.seq for row in outbox.unpublished(10)])

    async def published_again() -> set[str] | None:
        return {row.event.key for outbox in outboxes for row in outbox.unpublished(10)} or None

    sweeping = asyncio.create_task(sweep(server, services, settings, times))
    again = await eventually(published_again, "an event waits for the relay again")
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)

    assert again == await published_again() == {silent.order_id}
    services.close()
