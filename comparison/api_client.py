"""The shop's HTTP API, as customers and an operator use it: place orders, act on them, see how they end."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx2 as httpx
from pydantic import TypeAdapter

from comparison.measures import MeasuredOrder, TimelineEvent
from comparison.scenarios import Act, Body, Scenario
from domain.order import SagaStyle

POLL_S = 0.05
SLOW_POLL_S = 0.25
RETRY_S = 60.0
"""How long a call is repeated that was answered with 409 or 503."""

PAGE_SIZE = 200
MAX_CONNECTIONS = 64
KEEP_IDLE_S = 2.0
_RETRIED = frozenset({httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE})
_EVENTS = TypeAdapter(list[TimelineEvent])
_NEEDED_STATUS: Mapping[Act, str] = {Act.PAY: "pending", Act.CANCEL: "pending", Act.RETRY: "needs_attention"}


class DuplicateOrder(Exception):
    """The API made two orders of calls that had one idempotency key."""


def http_client(ready: Mapping[str, Any], timeout_s: float) -> httpx.AsyncClient:
    """Return a client of the API of the stack with this ready file. It keeps its connections open.

    It sends the stack's key. Close it with `async with`.
    """
    # It drops an idle connection before uvicorn does (after 5 s): a request on a connection that is being closed fails.
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_IDLE_S)
    return httpx.AsyncClient(
        base_url=ready["api"],
        timeout=timeout_s,
        limits=limits,
        headers={"Authorization": f"Bearer {ready['api_key']}"},
    )


class ShopClient:
    """All methods raise httpx.HTTPError if the API refuses a call or does not answer.

    `retry_pause_s` is the pause before a call is repeated that was answered with 409 or 503.
    """

    def __init__(self, client: httpx.AsyncClient, *, retry_pause_s: float = SLOW_POLL_S) -> None:
        self._client = client
        self._retry_pause_s = retry_pause_s

    async def stock(self, scenario: Scenario, run: str) -> Body:
        """Put the scenario's products into the catalogue, with SKUs of this run; return the body of an order."""
        for sku, product in scenario.products(run).items():
            (await self._client.put(f"/products/{sku}", json=product)).raise_for_status()
        return scenario.order(run)

    async def place(self, body: Body, style: SagaStyle, *, copies: int = 1) -> str:
        """Place one order (`body` has no style) and return its id.

        `copies`: number of identical concurrent calls, all with one idempotency key. Raises DuplicateOrder: they became
        more than one order.
        """
        order, headers = body | {"style": style.value}, {"Idempotency-Key": uuid4().hex}
        answers = await asyncio.gather(*(self._post("/orders", order, headers) for _ in range(copies)))
        ids: set[str] = {answer["order_id"] for answer in answers}
        if len(ids) != 1:
            raise DuplicateOrder(f"one idempotency key became the orders {sorted(ids)}")
        return ids.pop()

    async def perform(self, act: Act, order_id: str) -> None:
        """Wait until the act is possible, and perform it."""
        needed = _NEEDED_STATUS[act]
        while await self._status_for(act, order_id) != needed:  # noqa: ASYNC110 - the shop is another process
            await asyncio.sleep(SLOW_POLL_S if act is Act.RETRY else POLL_S)
        if act is Act.PAY:
            await self._post(f"/orders/{order_id}/payment/settle")
        elif act is Act.CANCEL:
            await self._post(f"/orders/{order_id}/cancel")
        else:
            await self._post(f"/orders/{order_id}/compensation/retry")

    async def wait_until_finished(self, style: SagaStyle, order_ids: Collection[str]) -> None:
        waiting = set(order_ids)
        while waiting:
            # One call lists all unfinished orders, so polling costs the same for any number of them.
            waiting &= await self._unfinished(style)
            await asyncio.sleep(POLL_S if waiting else 0.0)

    async def wait_for_event(self, event_type: str, order_ids: Sequence[str]) -> None:
        """Wait until every order has recorded an event of this type."""
        for order_id in order_ids:
            while all(event.type != event_type for event in await self._timeline(order_id)):  # noqa: ASYNC110 - the shop is another process
                await asyncio.sleep(POLL_S)

    async def measured(self, order_id: str, *, history_events: int, operator_actions: int) -> MeasuredOrder:
        order = await self._get(f"/orders/{order_id}")
        return MeasuredOrder(
            order_id=order_id,
            status=order["status"],
            reason=order["reason"],
            placed_at=datetime.fromisoformat(order["placed_at"]),
            finished_at=datetime.fromisoformat(order["finished_at"]) if order["finished_at"] else None,
            events=await self._timeline(order_id),
            attempts={step["name"]: step["attempts"] for step in order["steps"] if step["attempts"]},
            history_events=history_events,
            operator_actions=operator_actions,
        )

    async def audit(self) -> dict[str, Any]:
        return await self._get("/audit")

    async def _post(self, path: str, body: Body | None = None, headers: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        async with asyncio.timeout(RETRY_S):
            while True:
                answer = await self._client.post(path, json=body, headers=headers)
                # 409: a call like this one is still in flight. 503: a database or an engine is away. Both pass.
                if answer.status_code not in _RETRIED:
                    return answer.raise_for_status().json()
                await asyncio.sleep(self._retry_pause_s)

    async def _status_for(self, act: Act, order_id: str) -> str:
        """Return the status on which the act depends: the order's for an operator's act, else the payment's."""
        order = await self._get(f"/orders/{order_id}")
        return str(order["status"] if act is Act.RETRY else order["payment"]["status"])

    async def _unfinished(self, style: SagaStyle) -> set[str]:
        found: set[str] = set()
        for status in ("pending", "needs_attention"):
            query: dict[str, str] | None = {"style": style.value, "status": status, "limit": str(PAGE_SIZE)}
            while query is not None:
                page = await self._get("/orders", query)
                found |= {item["order_id"] for item in page["items"]}
                query = query | {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        return found

    async def _timeline(self, order_id: str) -> list[TimelineEvent]:
        timeline = await self._get(f"/orders/{order_id}/timeline")
        return _EVENTS.validate_python(timeline["events"])

    async def _get(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (await self._client.get(path, params=params)).raise_for_status().json()
        return found
