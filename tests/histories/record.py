"""Records the histories, on a real Temporal server: `python -m tests.histories.record`.

Run it after an intended change of the saga's commands. First read docs/worker-versioning.md: the histories that this
replaces are those of orders under way. `v1` holds histories of an earlier saga, which this one still replays.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from embedded.binaries import temporal_binary
from sagas.status import SAGA_STATUS, SAGA_STEP, SAGA_STYLE
from tests.histories.orders import KEPT, KeptOrder, ended
from tests.support.at_steps import AtSteps
from tests.support.saga_shop import SagaShop, open_shop
from tests.support.service_databases import migrated_files
from twinsaga_bridges.testing.kafka import RecordedEvents
from workflows.order_attributes import ORDER_ID

FOLDER = Path(__file__).parent


async def history_of(shop: SagaShop, order: KeptOrder) -> str:
    """Return the history of one order, as JSON."""
    saga = await shop.place(*order.lines, payment=order.payment, postal_code=order.postal_code)
    await order.act(saga)
    await ended(saga)
    return json.dumps(_without_stack_traces((await saga.handle.fetch_history()).to_json_dict()), indent=1)


def _without_stack_traces(part: Any) -> Any:  # noqa: ANN401 - JSON
    """Remove the paths of the recording machine; a replay ignores them."""
    match part:
        case dict():
            return {name: _without_stack_traces(value) for name, value in part.items() if name != "stackTrace"}
        case list():
            return [_without_stack_traces(value) for value in part]
    return part


async def record(folder: Path) -> None:
    at_steps = AtSteps()
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(None),
        data_converter=pydantic_data_converter,
        search_attributes=[SAGA_STYLE, SAGA_STATUS, SAGA_STEP, ORDER_ID],
        interceptors=[at_steps],
        identity="order-saga-tests",
    )
    async with environment:
        for name, order in KEPT.items():
            with tempfile.TemporaryDirectory() as data:
                opening = open_shop(environment, at_steps, migrated_files(Path(data)))
                async with opening as shop:
                    shop.outcomes = RecordedEvents(order.kafka_faults)
                    async with shop.worker():
                        (folder / f"{name}.json").write_text(await history_of(shop, order) + "\n")


if __name__ == "__main__":
    asyncio.run(record(FOLDER))
