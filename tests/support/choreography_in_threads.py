"""The four services of the choreography, over real databases and a real broker, in threads that a test can stop."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from domain.commands import PlaceOrder
from domain.events import Event
from domain.ids import CustomerId, OrderId, Sku, new_order_id
from domain.money import Money
from domain.order import Card, OrderLine, OrderRequest, OrderStatus, PaymentMethod, SagaStyle, ShippingAddress
from messaging.events import RecordedEvent
from messaging.ids import EventId
from messaging.kafka.choreographed_service import ServiceTiming
from messaging.kafka.connection import KafkaConnection
from messaging.sql.consuming import ConsumingService
from messaging.sql.database import Database
from messaging.sql.inbox import event_id_in
from messaging.sql.journal_tables import event_log, inbox
from messaging.sql.outbox import Outbox
from messaging.sql.parked import ParkedMessages
from processes.choreography.service import choreographed_service
from runtime import wiring
from services.names import (
    DATABASE_OF,
    GATEWAY,
    INVENTORY_SERVICE,
    ORDER_SERVICE,
    PAYMENT_SERVICE,
    SHIPPING_SERVICE,
)
from services.orders.store import OrderRecord, Stage
from services.vocabulary import ORDER_EVENTS
from tests.support.service_databases import Urls, empty, migrated_files
from tests.support.waiting import eventually
from twinsaga_bridges.backoff import Backoff

STOP_DEADLINE_S = 30.0
PLENTY = 100_000
PARTS = (*DATABASE_OF.values(), GATEWAY)
SKU = Sku("TEAPOT")
OPENERS: Mapping[str, Callable[..., ConsumingService[Any]]] = {
    ORDER_SERVICE: wiring.consuming_orders,
    PAYMENT_SERVICE: wiring.consuming_payments,
    INVENTORY_SERVICE: wiring.consuming_inventory,
    SHIPPING_SERVICE: wiring.consuming_shipping,
}


def impatient(*, attempts: int) -> ServiceTiming:
    return ServiceTiming(backoff=Backoff(first_s=0.05, longest_s=0.2), attempts=attempts)


@dataclass(slots=True)
class MovableClock:
    """The real time, moved on by as much as a test says."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Joined(threading.Event):
    """Counts how often it was set: each time, a rebalance of the group had come to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def set(self) -> None:
        self.times += 1
        super().set()


@dataclass(frozen=True, slots=True)
class Member:
    """One running member of one service's group, with connections of its own."""

    consuming: ConsumingService[Any]
    stop: threading.Event
    joined: Joined
    thread: threading.Thread

    def await_share(self, after: int) -> None:
        """Wait until it has completed more rebalances than this."""
        eventually(lambda: self.joined.times > after, f"{self.thread.name} has its share of the partitions")


class Choreography:
    def __init__(self, folder: Path, connection: KafkaConnection, given: Urls | None = None) -> None:
        """Its databases are SQLite files in the folder, or those that are given, which are emptied."""
        self.folder = folder
        self.connection = connection
        self._given = given
        self.clock = MovableClock()
        self.patience = impatient(attempts=4)
        if given is None:
            migrated_files(folder)
        self.databases = wiring.Databases.open(self)
        if given is not None:
            empty(self.databases)
        self.services = wiring.services_over(self.databases, self.clock, publish=True)
        self._members: dict[str, list[Member]] = {name: [] for name in OPENERS}

    def database_url(self, service: str) -> str:
        return self._given.database_url(service) if self._given else f"sqlite:///{self.folder / service}.db"

    def start(self, *names: str) -> None:
        """Start one more member of each of these services, or of all; return when their groups have shared out anew."""
        with self._shared_out_anew(names or tuple(OPENERS)):
            for name in names or OPENERS:
                self._start(name)

    def stop(self, *names: str) -> None:
        """Stop all members of these services, or of all, the oldest first."""
        while running := [name for name in names or OPENERS if self._members[name]]:
            with self._shared_out_anew(running):
                for name in running:
                    self._stop(self._members[name].pop(0))

    @contextmanager
    def _shared_out_anew(self, names: Sequence[str]) -> Iterator[None]:
        """Wait until each member has its share: one that leaves before wedges the embedded broker's group for good."""
        before = {id(member): member.joined.times for name in names for member in self._members[name]}
        yield
        for member in [member for name in names for member in self._members[name]]:
            member.await_share(after=before.get(id(member), 0))

    def close(self) -> None:
        self.stop()
        self.databases.close()

    def stock(self, on_hand: int = PLENTY, sku: Sku = SKU) -> None:
        self.services.orders.set_price(sku, Money(amount=1_250, currency="BRL"))
        self.services.inventory.restock(sku, "a teapot", on_hand)

    def place(
        self,
        payment: PaymentMethod | None = None,
        *,
        quantity: int = 2,
        postal_code: str = "01310-100",
        order_id: OrderId | None = None,
        sku: Sku = SKU,
    ) -> OrderId:
        request = OrderRequest(
            order_id=order_id or new_order_id(),
            customer_id=CustomerId("ana"),
            lines=(OrderLine(sku=sku, quantity=quantity),),
            payment=payment or Card(token="tok_visa"),
            shipping_address=ShippingAddress(
                recipient="Ana", street="Avenida Paulista 1000", city="Sao Paulo", postal_code=postal_code, country="BR"
            ),
        )
        self.services.orders.place(PlaceOrder(request=request, style=SagaStyle.CHOREOGRAPHED, fingerprint="-"))
        return request.order_id

    def await_end(self, order_id: OrderId, deadline_s: float = 60.0) -> OrderRecord:
        def look() -> OrderRecord | None:
            record = self.services.orders.find(order_id)
            return record if record.stage in {Stage.CONFIRMED, Stage.CANCELLED} else None

        return eventually(look, f"order {order_id} ends", deadline_s)

    def await_status(self, order_id: OrderId, status: OrderStatus) -> None:
        eventually(lambda: self.services.orders.find(order_id).status is status, f"order {order_id} is {status}")

    def await_event(self, order_id: OrderId, event_type: str) -> None:
        eventually(lambda: event_type in self.timeline(order_id), f"order {order_id} has its {event_type}")

    def await_books_right(self) -> None:
        """Effects that follow the end of an order (a sale) may take a moment."""
        eventually(lambda: self._audit().ok, "the audit finds nothing")

    def timeline(self, order_id: OrderId) -> Sequence[str]:
        return [recorded.event.type for recorded in self.recorded(order_id)]

    def recorded(self, order_id: OrderId) -> Sequence[RecordedEvent[Event]]:
        services = self.services
        journals = [
            service.journal(order_id)
            for service in (services.orders, services.payments, services.inventory, services.shipping)
        ]
        return sorted((entry for journal in journals for entry in journal.events), key=lambda entry: entry.at)

    def waiting_in_outboxes(self) -> int:
        return sum(Outbox(database).waiting() for database in self.databases.journals)

    def publish_again(self, order_ids: Sequence[OrderId]) -> None:
        for database in self.databases.journals:
            Outbox(database).publish_again(order_ids)

    def rebalances(self, name: str) -> int:
        """How many its members have been through, the one in which each joined among them."""
        return sum(member.joined.times for member in self._members[name])

    def settings(self) -> dict[str, str]:
        """The settings by which processes of the services share these databases and this broker."""
        backoff = self.patience.backoff
        return {
            **{f"{part}_database_url": self.database_url(part) for part in PARTS},
            "data_dir": str(self.folder),
            "accept_unsealed": "true",  # orders are placed here without an entrance
            "kafka_bootstrap": self.connection.bootstrap,
            "session_timeout_ms": str(self.connection.session_timeout_ms),
            "parked_attempts": str(self.patience.attempts),
            "parked_first_delay_seconds": str(backoff.first_s),
            "parked_longest_delay_seconds": str(backoff.longest_s),
        }

    def published(self, name: str, event_type: str) -> int:
        """How many events of the type the broker has acknowledged to the relay."""
        published = select(func.count()).where(event_log.c.type == event_type, event_log.c.waits.is_(False))
        with self.database_of(name).reading() as connection:
            found: int = connection.execute(published).scalar_one()
            return found

    def parked(self, name: str) -> int:
        return ParkedMessages(self.database_of(name)).count()

    def handled(self, name: str) -> Sequence[EventId]:
        """The ids of the events in the inbox, in the order in which it filled."""
        with self.database_of(name).reading() as connection:
            handled = connection.execute(select(inbox.c.message_id).order_by(inbox.c.handled_at)).scalars()
            return [event_id_in(message_id) for message_id in handled]

    def database_of(self, name: str) -> Database:
        return next(database for database in self.databases.journals if database.service == name)

    def made_up(self, event: Event, event_id: str) -> RecordedEvent[Event]:
        """An event that no service recorded, as its service would publish it."""
        service = ORDER_EVENTS.publisher_of(event.type)
        assert service is not None
        return RecordedEvent(event_id=EventId(event_id), event=event, service=service, at=self.clock(), caused_by=None)

    def _audit(self) -> Any:  # noqa: ANN401
        return wiring.audit_of(self.databases, self.clock)

    @staticmethod
    def _stop(member: Member) -> None:
        member.stop.set()
        member.thread.join(STOP_DEADLINE_S)
        assert not member.thread.is_alive(), "a member does not stop"
        member.consuming.close()

    def _start(self, name: str) -> None:
        consuming = OPENERS[name](self, self.clock)
        stop, joined = threading.Event(), Joined()
        service = choreographed_service(consuming, self.connection, self.patience, self.clock, sweep_every_s=0.05)
        thread = threading.Thread(target=service.run, args=(stop, joined), name=name)
        thread.start()
        member = Member(consuming, stop, joined, thread)
        self._members[name].append(member)
