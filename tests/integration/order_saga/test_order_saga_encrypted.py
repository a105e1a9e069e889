"""With payload keys, neither Temporal's database nor its API has a name, an address, a token or the text of an error.

On the real server with its database in a file, as the embedded stack runs it.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from domain.order import Card, OrderStatus, Pix, Step
from processes.api.saga_progress import attempts_in
from runtime.payload_codec import ENCRYPTED
from runtime.settings import Settings
from runtime.temporal import data_converter
from tests.histories.outcomes import outcomes_into
from tests.support.at_steps import AtSteps
from tests.support.examples import address
from tests.support.payload_encryption import encrypting, payloads_in
from tests.support.saga_shop import Saga, SagaShop, eventually
from tests.support.temporal_servers import real_server
from twinsaga_bridges.testing.kafka import RecordedEvents
from workflows.order_saga import OrderSaga

PERSONAL = [text.encode() for text in (address().recipient, address().street, address().city, "tok_", "01310-100")]
TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "temporal.db"


@pytest_asyncio.fixture
async def environment(at_steps: AtSteps, database: Path) -> AsyncIterator[WorkflowEnvironment]:
    async with await real_server(at_steps, settings=encrypting(), database=database) as environment:
        yield environment


def without_keys(client: Client) -> Client:
    return Client(**(client.config() | {"data_converter": data_converter(Settings())}))


async def raw_history(saga: Saga) -> WorkflowHistory:
    return await saga.handle.fetch_history()


def failures_in(event: HistoryEvent) -> list[Failure]:
    found: list[Failure] = []

    def look(message: object) -> None:
        for field, value in message.ListFields():  # type: ignore[attr-defined]
            if field.message_type is Failure.DESCRIPTOR:
                found.append(value)
                look(value)
            elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
                for part in [value] if hasattr(value, "ListFields") else value:
                    look(part)

    look(event)
    return found


async def test_what_the_server_stores_about_orders_is_unreadable(shop: SagaShop, database: Path) -> None:
    confirmed = await shop.place(token="tok_gatewayFlaky")
    undone = await shop.place(token="tok_visa", postal_code="00000")
    settled = await shop.place(payment=Pix())
    await settled.await_progress(Step.CHARGE_PAYMENT, "running")
    await settled.handle.signal(OrderSaga.payment_settled)

    assert (await confirmed.outcome()).status is OrderStatus.CONFIRMED
    assert (await undone.outcome()).status is OrderStatus.CANCELLED
    assert (await settled.outcome()).status is OrderStatus.CONFIRMED

    histories = [await raw_history(saga) for saga in (confirmed, undone, settled)]
    events = [event for history in histories for event in history.events]
    payloads = [payload for event in events for payload in payloads_in(event)]
    assert {payload.metadata["encoding"] for payload in payloads} == {ENCRYPTED}
    assert {payload.metadata["encryption-key-id"] for payload in payloads} == {b"2026-12"}
    failures = [failure for event in events for failure in failures_in(event)]
    assert {(failure.message, failure.stack_trace) for failure in failures} == {("Encoded failure", "")}
    stored = b"".join(file.read_bytes() for file in database.parent.glob("temporal.db*"))
    assert confirmed.order_id.encode() in stored
    assert [text for text in PERSONAL if text in stored] == []
    with outcomes_into(RecordedEvents()) as plugin:
        replayer = Replayer(workflows=[OrderSaga], data_converter=data_converter(encrypting()), plugins=[plugin])
        for history in histories:
            await replayer.replay_workflow(history)


async def test_the_api_still_shows_why_a_step_fails(shop: SagaShop) -> None:
    with shop.away(shop.services.databases.payments, "payments"):
        saga = await shop.place()

        async def look() -> str | None:
            try:
                attempts = await attempts_in(shop.environment.client, saga.order_id)
            except RPCError:  # its deadline is short
                return None
            return attempts[Step.CHARGE_PAYMENT].last_error if Step.CHARGE_PAYMENT in attempts else None

        assert "payments" in await eventually(look, "the attempt shows its error")

    assert (await saga.outcome()).status is OrderStatus.CONFIRMED


async def test_an_order_waits_for_a_worker_that_has_its_key(closed_shop: SagaShop) -> None:
    shop = closed_shop
    saga = await shop.place(payment=Card(token="tok_visa"))

    async def refused() -> Failure | None:
        failed = [event async for event in saga.handle.fetch_history_events() if event.event_type == TASK_FAILED]
        return failed[0].workflow_task_failed_event_attributes.failure if failed else None

    async with shop.worker(client=without_keys(shop.environment.client)):
        failure = await eventually(refused, "the worker without the key fails the workflow task")

    assert "encrypted by the key '2026-12', and this process has no keys" in failure.message
    async with shop.worker():
        assert (await saga.outcome()).status is OrderStatus.CONFIRMED
    await shop.assert_books_right()


async def test_orders_from_before_the_keys_were_set_go_on(closed_shop: SagaShop) -> None:
    shop, client = closed_shop, closed_shop.environment.client
    clear = without_keys(client)
    async with shop.worker(client=clear):
        saga = await shop.place(payment=Pix(), client=clear)
        await saga.await_progress(Step.CHARGE_PAYMENT, "running")

    async with shop.worker():
        await saga.handle.signal(OrderSaga.payment_settled)

        handle = client.get_workflow_handle_for(OrderSaga.run, saga.handle.id)
        assert (await Saga(saga.order_id, handle).outcome()).status is OrderStatus.CONFIRMED
