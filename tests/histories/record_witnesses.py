"""Records the witnesses' histories, on a real Temporal server: `python -m tests.histories.record_witnesses`.

See `record` for when to run it.
"""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.cancellation_requests import CancellationRequestActivities
from domain.ids import OrderId
from domain.order import SagaStyle
from embedded.binaries import temporal_binary
from sagas.status import SAGA_STATUS, SAGA_STEP, SAGA_STYLE
from tests.histories.witnesses import SILENCE_S, WITNESSED, Received
from tests.support.waiting import soon
from workflows.choreography_witness import ChoreographyWitness, WitnessedOrder, witness_id
from workflows.order_attributes import ORDER_ID, first_attributes

FOLDER = Path(__file__).parent / "witness"
QUEUE = "witnesses"


class IgnoredRequests:
    def ask(self, order_id: OrderId) -> None:
        """Does nothing: the events of the order are fixed beforehand."""


async def history_of(environment: WorkflowEnvironment, name: str, received: Sequence[Received]) -> str:
    order_id = OrderId(name)
    handle = await environment.client.start_workflow(
        ChoreographyWitness.run,
        WitnessedOrder(order_id=order_id, silence_s=SILENCE_S),
        id=witness_id(order_id),
        task_queue=QUEUE,
        search_attributes=first_attributes(order_id, SagaStyle.CHOREOGRAPHED),
    )

    async def status() -> str | None:
        return (await handle.describe()).typed_search_attributes.get(SAGA_STATUS)

    for each in received:
        await handle.signal(each.event_type, each.event)
        await soon(status, lambda shown, wanted=each.shows: shown == wanted)  # type: ignore[misc]
    await handle.result()
    return json.dumps((await handle.fetch_history()).to_json_dict(), indent=1)


async def record(folder: Path) -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(None),
        data_converter=pydantic_data_converter,
        search_attributes=[SAGA_STYLE, SAGA_STATUS, SAGA_STEP, ORDER_ID],
        identity="witness-tests",
    )
    with ThreadPoolExecutor(1) as threads:
        async with (
            environment,
            Worker(
                environment.client,
                task_queue=QUEUE,
                workflows=[ChoreographyWitness],
                activities=[CancellationRequestActivities(IgnoredRequests()).request],
                activity_executor=threads,
            ),
        ):
            for name, received in WITNESSED.items():
                (folder / f"{name}.json").write_text(await history_of(environment, name, received) + "\n")


if __name__ == "__main__":
    asyncio.run(record(FOLDER))
