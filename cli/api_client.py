"""An HTTP client for the API, for our own commands: with deadlines, and with retries where repeating is safe."""

import asyncio
import time
from typing import Any, Self

import httpx2 as httpx

Json = dict[str, Any]

TIMEOUT_S = 10.0
RETRY_S = 30.0
"""How long a request is repeated while the API, or a system behind it, does not answer."""
PAUSE_S = 1.0
POLL_S = 0.1
_RETRIED: frozenset[int] = frozenset(
    {httpx.codes.CONFLICT, httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}
)


class ApiRefusal(Exception):
    """The API answered with a problem, or not at all. The text is for the user."""


class ApiClient:
    """`key`: the API key, if one is known. `concurrency`: maximum concurrent requests."""

    def __init__(self, base_url: str, key: str | None, *, concurrency: int = 8, timeout_s: float = TIMEOUT_S) -> None:
        self._base_url = base_url
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=concurrency),
            headers={"Authorization": f"Bearer {key}"} if key else None,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()

    async def check(self) -> None:
        """Raise ApiRefusal at once if nothing answers at the address. It may be wrong, so there are no retries."""
        try:
            await self._client.get("/healthz")
        except httpx.TransportError as error:
            raise ApiRefusal(self._no_answer(error)) from error

    async def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        return await self._request("GET", path, params=params)

    async def put(self, path: str, body: Json) -> Json:
        return await self._request("PUT", path, json=body)

    async def ask(self, path: str) -> Json:
        """POST without a body. A refusal is final; only an absent system is asked again."""
        return await self._request("POST", path, retried=frozenset({httpx.codes.SERVICE_UNAVAILABLE}))

    async def place(self, body: Json, key: str) -> list[str]:
        """Place one order, or a pair if the body has no style; return the ids. The key makes repeating it safe."""
        path = "/orders" if "style" in body else "/order-pairs"
        answer = await self._request("POST", path, json=body, headers={"Idempotency-Key": key})
        placed = [answer] if "style" in body else [answer["orchestrated"], answer["choreographed"]]
        return [order["order_id"] for order in placed]

    async def wait_until_finished(self, order_id: str, timeout_s: float) -> Json | None:
        """Return the order once it is no longer pending; None after the timeout."""
        end = time.monotonic() + timeout_s
        while True:
            order = await self.get(f"/orders/{order_id}")
            if order["status"] != "pending":
                return order
            if time.monotonic() > end:
                return None
            await asyncio.sleep(POLL_S)

    async def _request(
        self,
        method: str,
        path: str,
        retried: frozenset[int] = _RETRIED,
        **parts: Any,  # noqa: ANN401 - httpx checks them
    ) -> Json:
        end = time.monotonic() + RETRY_S
        while True:
            try:
                answer = await self._client.request(method, path, **parts)
            except httpx.TransportError as error:
                if time.monotonic() > end:
                    raise ApiRefusal(self._no_answer(error)) from error
                pause = PAUSE_S
            else:
                if answer.is_success:
                    found: Json = answer.json()
                    return found
                if answer.status_code not in retried or time.monotonic() > end:
                    raise ApiRefusal(_problem(answer))
                pause = _pause(answer)
            await asyncio.sleep(pause)

    def _no_answer(self, error: httpx.TransportError) -> str:
        return f"the API at {self._base_url} does not answer ({type(error).__name__})"


def _pause(answer: httpx.Response) -> float:
    retry_after = answer.headers.get("Retry-After", "")
    return min(float(retry_after), 5.0) if retry_after.isdigit() else PAUSE_S


def _problem(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"the API answered {answer.status_code}"
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return f"{problem.get('detail')}: set TWINSAGA_API_KEY, or TWINSAGA_DATA_DIR to the folder of a running stack"
    errors = problem.get("errors") or ()
    fields = "; ".join(f"{error['field']}: {error['message']}" for error in errors)
    return fields or str(problem.get("detail") or problem.get("title") or answer.status_code)
