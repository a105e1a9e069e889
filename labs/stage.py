"""The stack of a private copy, as a lab sees it: its API from outside, and its databases and topics at rest."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
from kafka.errors import KafkaError
from sqlalchemy import func, select

from adapters.clock import utc_now
from adapters.sql.stores.payments import SqlPaymentStore
from adapters.sql.stores.shipping import SqlShippingStore
from choreography.routing import ROUTING
from comparison.scenarios import Scenario
from domain.events import PaymentRefunded, ShippingScheduled
from domain.ids import OrderId
from domain.order import Reason, SagaStyle
from labs.faults import GO_ON, HELD
from messaging.kafka.lag import GroupLag
from messaging.sql.database import Database
from messaging.sql.journal_tables import event_log, inbox, parked, waits_in_outbox
from messaging.sql.unit_of_work import SqlUnits
from messaging.vocabulary import tag_of
from runtime.errors import CannotRun
from runtime.kafka import kafka_connection
from runtime.settings import Settings
from runtime.wiring import Databases, audit_of
from services.audit.invariants import Verdict
from services.vocabulary import ORDER_EVENTS

POLL_S = 0.1
DEADLINE_S = 120.0
"""For each thing that a lab waits for. On two busy cores a process that restarts joins its group after 15 s."""

REST_POLLS = 3
LATER = timedelta(hours=1)
"""The audit reads the books as it will find them then: everything that may take a while has had its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One event of an order. `after_s`: since the order's first event."""

    after_s: float
    service: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedOrder:
    order_id: str
    style: SagaStyle
    status: str
    reason: str | None
    attention: str | None
    events: Sequence[Seen]


class Stage:
    """All methods that wait raise CannotRun after DEADLINE_S."""

    def __init__(self, ready: Mapping[str, Any], settings: Settings, databases: Databases) -> None:
        self._client = httpx.Client(
            base_url=ready["api"], timeout=20.0, headers={"Authorization": f"Bearer {ready['api_key']}"}
        )
        self._folder = Path(ready["data"])
        self._databases = databases
        self._kafka = kafka_connection(settings.with_changes(kafka_bootstrap=ready["kafka"]))

    def close(self) -> None:
        self._client.close()

    def stock(self, scenario: Scenario, run: str) -> None:
        for sku, product in scenario.products(run).items():
            self._client.put(f"/products/{sku}", json=product).raise_for_status()

    def place(self, body: Mapping[str, object], style: SagaStyle) -> str:
        answer = self._post("/orders", {**body, "style": style.value}, {"Idempotency-Key": uuid4().hex})
        return str(answer["order_id"])

    def cancel(self, order_id: str) -> None:
        self._post(f"/orders/{order_id}/cancel")

    def pay(self, order_id: str) -> None:
        self._post(f"/orders/{order_id}/payment/settle")

    def go_on(self) -> None:
        (self._folder / GO_ON).touch()

    def wait_for_fault(self) -> None:
        wait_until((self._folder / HELD).exists, "a process comes to the place of the fault")

    def wait_for_event(self, event_type: str, order_id: str) -> None:
        wait_until(lambda: any(seen.type == event_type for seen in self._events(order_id)), f"there is a {event_type}")

    def wait_for_end(self, order_id: str) -> None:
        wait_until(lambda: self._order(order_id)["status"] != "pending", f"order {order_id} ends")

    def wait_until_handled(self, service: str, event_type: str, order_id: str) -> None:
        """The event is one that a service has recorded."""

        def handled() -> bool:
            with self._database_of(service).reading() as connection:
                ids = self._ids_of(event_type, order_id)
                found = connection.execute(select(inbox.c.message_id)).scalars()
                return any(id_ in message_id for id_ in ids for message_id in found)

        wait_until(handled, f"{service} has handled {event_type}")

    def record_late(self, event_type: str, order_id: str) -> None:
        """Record an event that comes too late. Its service's relay publishes it, as any other one."""
        if event_type == "shipping.scheduled":
            scheduled = ShippingScheduled(order_id=OrderId(order_id), tracking_number="LATE")
            with SqlUnits(
                self._databases.shipping, ORDER_EVENTS, SqlShippingStore, utc_now, publish=True
            ).begin() as shipping:
                shipping.record(scheduled)
                shipping.commit()
        elif event_type == "payment.refunded":
            refunded = PaymentRefunded(order_id=OrderId(order_id), reason=Reason.TIMED_OUT)
            with SqlUnits(
                self._databases.payments, ORDER_EVENTS, SqlPaymentStore, utc_now, publish=True
            ).begin() as payments:
                payments.record(refunded)
                payments.commit()
        else:
            raise CannotRun(f"no lab knows a late {event_type}")

    def wait_until_at_rest(self, style: SagaStyle, order_ids: Sequence[str]) -> None:
        """Orchestrated: until every order has ended. Choreographed: until no message waits anywhere, ended or not."""
        if style is SagaStyle.ORCHESTRATED:
            for order_id in order_ids:
                self.wait_for_end(order_id)
        quiet = 0

        def rests() -> bool:
            nonlocal quiet
            quiet = quiet + 1 if self._nothing_waits() else 0
            return quiet == REST_POLLS

        wait_until(rests, "no message waits")

    def played(self, order_id: str, style: SagaStyle) -> PlayedOrder:
        order = self._order(order_id)
        attention = order["attention"]
        return PlayedOrder(
            order_id=order_id,
            style=style,
            status=order["status"],
            reason=order["reason"],
            attention=attention["step"] if attention else None,
            events=self._events(order_id),
        )

    def audit(self) -> Verdict:
        return audit_of(self._databases, lambda: utc_now() + LATER)

    def _nothing_waits(self) -> bool:
        for database in self._databases.journals:
            with database.reading() as connection:
                if connection.execute(select(func.count()).where(waits_in_outbox)).scalar_one():
                    return False
                if connection.execute(select(func.count()).select_from(parked)).scalar_one():
                    return False
        try:
            return all(self._lag_of(service) == 0 for service in ROUTING)
        except KafkaError:
            return False

    def _lag_of(self, service: str) -> int:
        topics = {ORDER_EVENTS.topic_of(tag_of(event)) for event in ROUTING[service]}
        return sum(GroupLag(self._kafka, service, topics).measure().values())

    def _database_of(self, service: str) -> Database:
        return next(database for database in self._databases.journals if database.service == service)

    def _ids_of(self, event_type: str, order_id: str) -> Sequence[str]:
        wanted = select(event_log.c.event_id).where(event_log.c.order_id == order_id, event_log.c.type == event_type)
        found: list[str] = []
        for database in self._databases.journals:
            with database.reading() as connection:
                found += connection.execute(wanted).scalars()
        return found

    def _order(self, order_id: str) -> dict[str, Any]:
        order: dict[str, Any] = self._client.get(f"/orders/{order_id}").raise_for_status().json()
        return order

    def _events(self, order_id: str) -> Sequence[Seen]:
        events = self._client.get(f"/orders/{order_id}/timeline").raise_for_status().json()["events"]
        times = [datetime.fromisoformat(event["at"]) for event in events]
        return [
            Seen(after_s=(at - times[0]).total_seconds(), service=event["service"], type=event["type"])
            for at, event in zip(times, events, strict=True)
        ]

    def _post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        answer = self._client.post(path, json=body, headers=headers)
        if answer.is_error:
            raise CannotRun(f"POST {path} was answered with {answer.status_code}: {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
        return found


def wait_until(happened: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Raises CannotRun after the deadline."""
    end = time.monotonic() + deadline_s
    while not happened():
        if time.monotonic() > end:
            raise CannotRun(f"waited {deadline_s:.0f} s in vain until {what}")
        time.sleep(POLL_S)
