"""A customer and an operator of the shop, over HTTP only."""

from itertools import count
from typing import Any
from uuid import uuid4

import httpx2 as httpx

from comparison.scenarios import Scenario
from tests.support.stack import Json
from tests.support.waiting import eventually

FINISHED = {"confirmed", "cancelled"}
_runs = count(1)


class Shop:
    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def stock(self, products: dict[str, dict[str, Any]]) -> None:
        for sku, body in products.items():
            self.client.put(f"/products/{sku}", json=body).raise_for_status()

    def prepared(self, scenario: Scenario) -> Json:
        """Stock the scenario's products under new SKUs; return the order's body, without a style."""
        run = f"{next(_runs)}-{uuid4().hex[:6]}"
        self.stock(scenario.products(run))
        return scenario.order(run)

    def place(self, order: Json, style: str, key: str | None = None) -> str:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.client.post("/orders", json=order | {"style": style}, headers=headers)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        order_id: str = answer.json()["order_id"]
        return order_id

    def order(self, order_id: str) -> Json:
        answer = self.client.get(f"/orders/{order_id}")
        answer.raise_for_status()
        shown: Json = answer.json()
        return shown

    def timeline(self, order_id: str) -> list[Json]:
        answer = self.client.get(f"/orders/{order_id}/timeline")
        answer.raise_for_status()
        events: list[Json] = answer.json()["events"]
        return events

    def product(self, sku: str) -> Json:
        answer = self.client.get(f"/products/{sku}")
        answer.raise_for_status()
        shown: Json = answer.json()
        return shown

    def await_end(self, order_id: str, deadline_s: float = 60.0) -> Json:
        def look() -> Json | None:
            shown = self.order(order_id)
            return shown if shown["status"] in FINISHED else None

        return eventually(look, f"order {order_id} is finished", deadline_s, every_s=0.05)

    def audit(self) -> Json:
        answer = self.client.get("/audit", timeout=60.0)
        answer.raise_for_status()
        verdict: Json = answer.json()
        return verdict

    def assert_books_right(self) -> None:
        """Wait until the audit finds nothing: effects after the end of an order (a sale) may take a moment."""

        def look() -> bool:
            return bool(self.audit()["ok"])

        try:
            eventually(look, "the audit is clean", every_s=0.25)
        except AssertionError as late:
            message = f"the audit found: {self.audit()['broken']}"
            raise AssertionError(message) from late
