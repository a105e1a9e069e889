"""Places a file of orders, a few at once. A line that fails is told and counted, and the others go on."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cli.api_client import ApiClient, ApiRefusal
from cli.order_file import BadLine, OrderLine


@dataclass(slots=True, kw_only=True)
class Tally:
    """`ends` counts the orders by status; those that no one waited for are `placed`."""

    failed: int = 0
    unfinished: int = 0
    ends: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`wait_s`: so long each order may take to its end; None does not wait. `told` gets each failure as it comes."""

    lines: Iterator[OrderLine | BadLine]
    at_once: int
    wait_s: float | None
    told: Callable[[int, str], None]
    placed: Callable[[str], None]
    advanced: Callable[[], None]

    async def place(self, client: ApiClient) -> Tally:
        tally = Tally()
        async with asyncio.TaskGroup() as workers:
            for _ in range(self.at_once):
                workers.create_task(self._work(client, tally))
        return tally

    async def _work(self, client: ApiClient, tally: Tally) -> None:
        for line in self.lines:
            try:
                await self._place(line, client, tally)
            except ApiRefusal as refusal:
                tally.failed += 1
                self.told(line.number, str(refusal))
            self.advanced()

    async def _place(self, line: OrderLine | BadLine, client: ApiClient, tally: Tally) -> None:
        if isinstance(line, BadLine):
            raise ApiRefusal(line.reason)
        for order_id in await client.place(line.body, line.key):
            self.placed(order_id)
            if self.wait_s is None:
                tally.ends["placed"] += 1
                continue
            order = await client.end_of(order_id, self.wait_s)
            if order is None:
                tally.unfinished += 1
                self.told(line.number, f"order {order_id} is not finished after {self.wait_s:.0f} s")
            else:
                tally.ends[order["status"]] += 1
