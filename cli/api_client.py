"""The HTTP API as our own commands call it: with deadlines, and again where a repetition does no harm."""

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

Json = dict[str, Any]

TIMEOUT_S = 10.0
RETRY_S = 30.0
"""So long a call is repeated that found something away."""
PAUSE_S = 1.0
POLL_S = 0.1
_AGAIN = frozenset({httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE})


class ApiRefusal(Exception):
    """The API answered with a problem, or not at all. The text is for the one who asked."""


class ApiClient:
    def __init__(self, base_url: str, *, at_once: int = 8, timeout_s: float = TIMEOUT_S) -> None:
        self._base_url = base_url
        self._client = httpx.AsyncClient(
            base_url=base_url, timeout=timeout_s, limits=httpx.Limits(max_connections=at_once)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def check(self) -> None:
        """Raise ApiRefusal at once when nothing answers there, so that a wrong address costs no patience."""
        try:
            await self._client.get("/healthz")
        except httpx.TransportError as error:
            raise ApiRefusal(self._silence(error)) from error

    async def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        return await self._asked("GET", path, params=params)

    async def put(self, path: str, body: Json) -> Json:
        return await self._asked("PUT", path, json=body)

    async def place(self, body: Json, key: str) -> list[str]:
        """Place one order, or without a style a pair; return the ids. The key makes a repetition harmless."""
        path = "/orders" if "style" in body else "/order-pairs"
        answer = await self._asked("POST", path, json=body, headers={"Idempotency-Key": key})
        placed = [answer] if "style" in body else [answer["orchestrated"], answer["choreographed"]]
        return [order["order_id"] for order in placed]

    async def end_of(self, order_id: str, deadline_s: float) -> Json | None:
        """Wait until the order is no longer pending, and return it; None if that takes longer than the deadline."""
        end = time.monotonic() + deadline_s
        while True:
            order = await self.get(f"/orders/{order_id}")
            if order["status"] != "pending":
                return order
            if time.monotonic() > end:
                return None
            await asyncio.sleep(POLL_S)

    async def _asked(self, method: str, path: str, **parts: Any) -> Json:  # noqa: ANN401 - httpx checks them
        end = time.monotonic() + RETRY_S
        while True:
            try:
                answer = await self._client.request(method, path, **parts)
            except httpx.TransportError as error:
                if time.monotonic() > end:
                    raise ApiRefusal(self._silence(error)) from error
                pause = PAUSE_S
            else:
                if answer.is_success:
                    found: Json = answer.json()
                    return found
                if answer.status_code not in _AGAIN or time.monotonic() > end:
                    raise ApiRefusal(_why(answer))
                pause = _pause(answer)
            await asyncio.sleep(pause)

    def _silence(self, error: httpx.TransportError) -> str:
        return f"the API at {self._base_url} does not answer ({type(error).__name__})"


def _pause(answer: httpx.Response) -> float:
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), 5.0) if asked.isdigit() else PAUSE_S


def _why(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"the API answered {answer.status_code}"
    errors = problem.get("errors") or ()
    fields = "; ".join(f"{error['field']}: {error['message']}" for error in errors)
    return fields or str(problem.get("detail") or problem.get("title") or answer.status_code)
