"""Plays the same orders both ways through the HTTP API and sets the outcomes side by side."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import quantiles
from typing import Any, Protocol

import httpx

from comparison.scenarios import Body, Scenario, scenario_of
from domain.ids import OrderId
from domain.order import SagaStyle

FINISHED = frozenset({"confirmed", "cancelled"})
LOOK_AGAIN_S = 0.05


class MessageCount(Protocol):
    async def __call__(self, style: SagaStyle, order_id: OrderId) -> int:
        """Messages that the engine kept for the order: Temporal history events, or Kafka records."""
        ...


class Unfinished(Exception):
    """An order did not end before the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one order ended. `seconds` runs from placed to finished, by the services' own clocks."""

    scenario: Scenario
    style: SagaStyle
    order_id: OrderId
    status: str
    reason: str | None
    seconds: float
    events: int
    messages: int

    @property
    def as_expected(self) -> bool:
        return (self.status, self.reason) == (self.scenario.status, self.scenario.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario in one style. `p50` and `p99` are seconds; events and messages are means an order."""

    scenario: Scenario
    style: SagaStyle
    orders: int
    outcomes: tuple[str, ...]
    unexpected: int
    p50: float
    p99: float
    events: float
    messages: float


class SideBySide:
    """`deadline_s` bounds the wait for each order; `in_flight` is how many pairs run at once."""

    def __init__(
        self, client: httpx.AsyncClient, messages: MessageCount, *, in_flight: int = 8, deadline_s: float = 60.0
    ) -> None:
        self._client = client
        self._messages = messages
        self._places = asyncio.Semaphore(in_flight)
        self._deadline_s = deadline_s

    async def stock(self, products: Mapping[str, Body]) -> None:
        for sku, body in products.items():
            (await self._client.put(f"/products/{sku}", json=body)).raise_for_status()

    async def play(
        self, orders: Sequence[Body], on_hand: Mapping[str, int], finished: Callable[[], None]
    ) -> list[Ending]:
        """Place each order as a pair and wait for both ends; `finished` is called once a pair."""

        async def one(order: Body) -> list[Ending]:
            async with self._places:
                endings = await self._pair(order, scenario_of(order, on_hand))
            finished()
            return endings

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(order)) for order in orders]
        return [ending for task in tasks for ending in task.result()]

    async def _pair(self, order: Body, scenario: Scenario) -> list[Ending]:
        answer = await self._client.post("/order-pairs", json=order)
        answer.raise_for_status()
        placed = answer.json()
        return list(
            await asyncio.gather(
                *(self._end(scenario, style, OrderId(placed[style]["order_id"])) for style in SagaStyle)
            )
        )

    async def _end(self, scenario: Scenario, style: SagaStyle, order_id: OrderId) -> Ending:
        try:
            async with asyncio.timeout(self._deadline_s):
                shown = await self._finished(order_id)
        except TimeoutError as late:
            raise Unfinished(
                f"{style} order {order_id} ({scenario.name}) did not end in {self._deadline_s} s"
            ) from late
        timeline = await self._client.get(f"/orders/{order_id}/timeline")
        timeline.raise_for_status()
        took = datetime.fromisoformat(shown["finished_at"]) - datetime.fromisoformat(shown["placed_at"])
        return Ending(
            scenario=scenario,
            style=style,
            order_id=order_id,
            status=shown["status"],
            reason=shown["reason"],
            seconds=took.total_seconds(),
            events=len(timeline.json()["events"]),
            messages=await self._messages(style, order_id),
        )

    async def _finished(self, order_id: OrderId) -> dict[str, Any]:
        while True:
            answer = await self._client.get(f"/orders/{order_id}")
            answer.raise_for_status()
            shown: dict[str, Any] = answer.json()
            if shown["status"] in FINISHED:
                return shown
            await asyncio.sleep(LOOK_AGAIN_S)


def rows(endings: Iterable[Ending]) -> list[Row]:
    """Group the endings by scenario and style, in the order in which the scenarios first came."""
    groups: dict[tuple[str, SagaStyle], list[Ending]] = {}
    for ending in endings:
        groups.setdefault((ending.scenario.name, ending.style), []).append(ending)
    return [_row(group) for group in groups.values()]


def _row(group: list[Ending]) -> Row:
    seconds = [ending.seconds for ending in group]
    return Row(
        scenario=group[0].scenario,
        style=group[0].style,
        orders=len(group),
        outcomes=tuple(sorted({f"{ending.status} {ending.reason or ''}".strip() for ending in group})),
        unexpected=sum(not ending.as_expected for ending in group),
        p50=percentile(seconds, 50),
        p99=percentile(seconds, 99),
        events=sum(ending.events for ending in group) / len(group),
        messages=sum(ending.messages for ending in group) / len(group),
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """Linear interpolation between the nearest ranks, both ends included; one value is every percentile of itself."""
    if len(values) == 1:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]
