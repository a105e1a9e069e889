"""The kept histories are worth something only if they are those of the worker that really runs."""

import asyncio

from temporalio.client import Client

from comparison.scenarios import SCENARIOS
from tests.histories.commands import OK, commands_of
from tests.support.shop import Shop
from tests.support.stack import Stack


async def test_an_order_asks_of_temporal_what_the_kept_history_says(shop: Shop, stack: Stack) -> None:
    order_id = await asyncio.to_thread(shop.place, shop.prepared(SCENARIOS["ok"]), "orchestrated")
    client = await Client.connect(stack.ready["temporal"], namespace=stack.settings().temporal_namespace)
    saga = client.get_workflow_handle(f"order-saga/{order_id}")

    async with asyncio.timeout(60):
        await saga.result()

    asked = commands_of(await saga.fetch_history())
    first = OK.index("confirm_order, local")
    side_by_side = slice(first, first + 2)
    assert sorted(asked[side_by_side]) == sorted(OK[side_by_side])  # either may be done first
    assert asked[:first] + asked[first + 2 :] == OK[:first] + OK[first + 2 :]
