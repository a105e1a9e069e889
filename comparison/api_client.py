"""Customers and an operator of the shop, over HTTP: they place orders, do their part, and look how the orders end."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx2 as httpx

from comparison.measures import Ending, TimelineEvent
from comparison.scenarios import Act, Body, Scenario
from domain.order import SagaStyle

LOOK_AGAIN_S = 0.05
LOOK_AGAIN_LATER_S = 0.25
ANSWER_S = 60.0
"""So long a call is sent again that was refused because of another one like it, or found something away."""
PAGE = 200
_AGAIN = frozenset({httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE})
_NEEDED: Mapping[Act, str] = {Act.PAY: "pending", Act.CANCEL: "pending", Act.RETRY: "needs_attention"}


class Shopping:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def stocked(self, scenario: Scenario, run: str) -> Body:
        """Put the scenario's products on the shelf, under SKUs of this run; return the body of an order of them."""
        for sku, product in scenario.products(run).items():
            (await self._client.put(f"/products/{sku}", json=product)).raise_for_status()
        return scenario.order(run)

    async def place(self, body: Body, style: SagaStyle, *, copies: int = 1) -> str:
        """With copies, the same call so often at once: all of them are one order."""
        key = uuid4().hex
        ids = set(await asyncio.gather(*(self._placed(body, style, key) for _ in range(copies))))
        if len(ids) != 1:
            raise OrderedTwice(f"one idempotency key became the orders {sorted(ids)}")
        return ids.pop()

    async def act(self, act: Act, order_id: str) -> int:
        """Wait until it can be done, and do it. Return how many actions of an operator that took."""
        needed = _NEEDED[act]
        while await self._looks(act, order_id) != needed:  # noqa: ASYNC110 - the shop is another process
            await asyncio.sleep(LOOK_AGAIN_LATER_S if act is Act.RETRY else LOOK_AGAIN_S)
        if act is Act.PAY:
            await self._asked("/webhooks/payments", {"order_id": order_id, "status": "settled"})
        elif act is Act.CANCEL:
            await self._asked(f"/orders/{order_id}/cancel")
        else:
            await self._asked(f"/orders/{order_id}/compensation/retry")
        return int(act is Act.RETRY)

    async def ended(self, style: SagaStyle, order_ids: Collection[str]) -> None:
        """One call for all of them, so that looking costs the same however many there are."""
        waiting = set(order_ids)
        while waiting:
            waiting &= await self._unfinished(style)
            await asyncio.sleep(LOOK_AGAIN_S if waiting else 0.0)

    async def recorded(self, event_type: str, order_ids: Sequence[str]) -> None:
        for order_id in order_ids:
            while event_type not in await self._told(order_id):  # noqa: ASYNC110 - the same
                await asyncio.sleep(LOOK_AGAIN_S)

    async def ending(self, order_id: str, *, history_events: int, operator_actions: int) -> Ending:
        shown = await self._got(f"/orders/{order_id}")
        return Ending(
            order_id=order_id,
            status=shown["status"],
            reason=shown["reason"],
            placed_at=datetime.fromisoformat(shown["placed_at"]),
            finished_at=datetime.fromisoformat(shown["finished_at"]) if shown["finished_at"] else None,
            events=await self._timeline(order_id),
            attempts={step["name"]: step["attempts"] for step in shown["steps"] if step["attempts"]},
            history_events=history_events,
            operator_actions=operator_actions,
        )

    async def audit(self) -> dict[str, Any]:
        return await self._got("/audit")

    async def _placed(self, body: Body, style: SagaStyle, key: str) -> str:
        answer = await self._asked("/orders", body | {"style": style.value}, {"Idempotency-Key": key})
        order_id: str = answer["order_id"]
        return order_id

    async def _asked(self, path: str, body: Body | None = None, headers: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        async with asyncio.timeout(ANSWER_S):
            while True:
                answer = await self._client.post(path, json=body, headers=headers)
                if answer.status_code not in _AGAIN:
                    return answer.raise_for_status().json()
                await asyncio.sleep(LOOK_AGAIN_LATER_S)

    async def _looks(self, act: Act, order_id: str) -> str:
        shown = await self._got(f"/orders/{order_id}")
        return str(shown["status"] if act is Act.RETRY else shown["payment"]["status"])

    async def _unfinished(self, style: SagaStyle) -> set[str]:
        found: set[str] = set()
        for status in ("pending", "needs_attention"):
            wanted = {"style": style.value, "status": status, "limit": str(PAGE)}
            page = await self._got("/orders", wanted)
            found |= {item["order_id"] for item in page["items"]}
            while page["next_cursor"]:
                page = await self._got("/orders", wanted | {"cursor": page["next_cursor"]})
                found |= {item["order_id"] for item in page["items"]}
        return found

    async def _told(self, order_id: str) -> set[str]:
        return {event.type for event in await self._timeline(order_id)}

    async def _timeline(self, order_id: str) -> list[TimelineEvent]:
        return [
            TimelineEvent(
                event_id=event["event_id"],
                type=event["type"],
                service=event["service"],
                at=datetime.fromisoformat(event["at"]),
                caused_by=event["caused_by"],
            )
            for event in (await self._got(f"/orders/{order_id}/timeline"))["events"]
        ]

    async def _got(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (await self._client.get(path, params=params)).raise_for_status().json()
        return found


class OrderedTwice(Exception):
    """The API made two orders of what was one."""
