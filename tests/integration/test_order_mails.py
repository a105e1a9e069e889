"""Customers get one mail when their order ends: in both styles, and also when the event about it was lost."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaProducer
from pydantic import SecretStr

from adapters.clock import utc_now
from adapters.sql.estate import KEPT, Estate
from adapters.sql.migrations import migrate
from domain.commands import CancelOrder, ConfirmOrder, CreateOrder, PlaceOrder
from domain.ids import CustomerId, OrderId
from domain.order import OrderOutcome, OrderStatus, Reason, SagaStyle
from estate.order_mails import LOOK_BACK, MissedOrderMails, OrderMails
from estate.task_outbox import TaskOutbox
from messaging.kafka.cloudevents import to_message
from messaging.kafka.topics import TopicShape, ensure_topics
from messaging.sql.database import Database
from processes.order_mails import GROUP
from runtime.settings import Settings
from services.estate.mails import welcome
from services.estate.records import User
from services.names import SAGA_OUTCOMES
from services.orders.store import PENDING_DEADLINE
from services.vocabulary import ORDER_EVENTS
from tests.support.broker import Broker
from tests.support.choreography_in_threads import SKU, Choreography
from tests.support.examples import a_request
from tests.support.faulty_databases import locked
from tests.support.kafka_topics import await_read, messages_of, send_again
from tests.support.service_processes import ServiceProcess, ServiceProcesses
from tests.support.valkey import running_valkey
from tests.support.waiting import eventually
from twinsaga_bridges.workflow_into_kafka import EventProducer
from workflows.order_saga import outcome_event

CONFIRMED, CANCELLED = "Your order is confirmed", "Your order is cancelled"
ORCHESTRATED, CHOREOGRAPHED = SagaStyle.ORCHESTRATED, SagaStyle.CHOREOGRAPHED
NOW, MINUTE, HOUR = timedelta(), timedelta(minutes=1), timedelta(hours=1)
DAY = 24 * HOUR
DEATH_WITHIN_S = 180.0  # the process starts, joins its group and reads the record
LOOKED = "looked for missed mails"


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Its orders end without an event, and its mails stay in the task outbox."""

    choreography: Choreography
    database: Database
    settings: Mapping[str, str]

    @property
    def estate(self) -> Estate:
        return Estate(self.database, utc_now)

    def customer(self) -> User:
        name = uuid4().hex
        user = User(user_id=name, name="Ana", email=f"{name}@example.com", fingerprint="-", created_at=utc_now())
        return self.estate.register(user, welcome(user))

    def ended(
        self, customer_id: str, style: SagaStyle = ORCHESTRATED, *, ago: timedelta = NOW, refused: bool = False
    ) -> OrderId:
        """Place an order, `ago` in the past, that ends at once."""
        orders, clock = self.choreography.services.orders, self.choreography.clock
        request = replace(a_request((SKU, 2)), customer_id=CustomerId(customer_id))
        order_id = request.order_id
        clock.ahead = -ago
        orders.place(PlaceOrder(request=request, style=style, fingerprint="-"))
        orders.create(CreateOrder(order=request))
        if refused:
            orders.cancel(CancelOrder(order_id=order_id, reason=Reason.PAYMENT_DECLINED))
        else:
            orders.confirm(ConfirmOrder(order_id=order_id))
        clock.ahead = NOW
        return order_id

    def mails_of(self, customer: User) -> list[str]:
        """Return the subjects of the customer's mails in the outbox, without the welcome mail."""
        tasks = Estate(self.database, lambda: utc_now() + DAY).due(10_000)
        mails = [task.arguments for task in tasks if task.arguments[0] == customer.email]
        return sorted(subject for _, subject, _ in mails if subject != "Welcome!")

    def await_mails(self, customer: User, *subjects: str) -> None:
        eventually(lambda: self.mails_of(customer) == sorted(subjects), f"{customer.email} has {subjects}", 30.0)

    def look_for_missed(self, *, page: int = 2) -> None:
        settings = Settings(redis_url=SecretStr(self.settings["redis_url"]))
        mails = OrderMails(
            orders=self.choreography.services.orders,
            estate=self.estate,
            task_outbox=TaskOutbox(settings, self.estate, lambda _: None),
        )
        MissedOrderMails(mails, utc_now, page=page).add(threading.Event())


@pytest.fixture
def shop(choreography: Choreography, broker: Broker, partitions: int, tmp_path: Path) -> Iterator[Shop]:
    ensure_topics(broker.connection, TopicShape(partitions=partitions), 10, [SAGA_OUTCOMES])
    url = choreography.database_url("estate")
    migrate(url, "estate")
    with closing(Database.open(url, service="estate")) as database, running_valkey(tmp_path) as redis:
        engines = {"estate_database_url": url, "redis_url": redis.removesuffix("/2")}
        yield Shop(choreography=choreography, database=database, settings=choreography.settings() | engines)


@pytest.fixture
def processes(shop: Shop, tmp_path: Path) -> Iterator[ServiceProcesses]:
    with closing(ServiceProcesses(tmp_path, shop.settings)) as processes:
        yield processes


KILLED_BY_A_RECORD = """
import os, signal
import messaging.kafka.cloudevents as events

read = events.from_message

def from_message(vocabulary, key, value, headers):
    if key == b"killer":
        os.kill(os.getpid(), signal.SIGKILL)
    return read(vocabulary, key, value, headers)

events.from_message = from_message
"""
"""Imported by Python when the process starts: reading a record with the key `killer` ends it, as a crash would."""


def await_log(process: ServiceProcess, text: str, within_s: float = 30.0) -> None:
    def look() -> bool:
        assert process.process.poll() is None, process.log.read_text()[-2_000:]
        return text in process.log.read_text()

    eventually(look, f"the process logs: {text}", within_s)


def test_a_mail_whose_event_was_lost_is_added_when_the_process_restarts(
    shop: Shop, processes: ServiceProcesses
) -> None:
    customer = shop.customer()
    first = processes.start("order-mails")
    await_log(first, LOOKED)
    assert first.stop() == 0

    for style in SagaStyle:
        shop.ended(customer.user_id, style)
        shop.ended(customer.user_id, style, refused=True)
    again = processes.start("order-mails")

    shop.await_mails(customer, CONFIRMED, CONFIRMED, CANCELLED, CANCELLED)
    await_log(again, LOOKED)
    assert again.stop() == 0


def test_an_outcome_event_that_is_delivered_twice_is_one_mail(
    shop: Shop, processes: ServiceProcesses, broker: Broker
) -> None:
    await_log(processes.start("order-mails"), LOOKED)
    customer = shop.customer()
    confirmed = shop.ended(customer.user_id, CHOREOGRAPHED)
    cancelled = shop.ended(customer.user_id, ORCHESTRATED, refused=True)

    broker.topic("orders").put_event(shop.choreography.recorded(confirmed)[-1])
    outcome = OrderOutcome(order_id=cancelled, status=OrderStatus.CANCELLED, reason=Reason.PAYMENT_DECLINED)
    with closing(EventProducer(broker.connection.producer)) as producer:
        producer.send(outcome_event(outcome))
    shop.await_mails(customer, CONFIRMED, CANCELLED)

    for order_id, topic in ((confirmed, "orders"), (cancelled, SAGA_OUTCOMES)):
        (message,) = messages_of(broker.bootstrap, order_id, topic)
        await_read(broker.bootstrap, GROUP, send_again(broker.bootstrap, [message]))
    assert shop.mails_of(customer) == [CANCELLED, CONFIRMED]


@pytest.mark.long
def test_a_record_that_kills_the_process_is_skipped_after_three_deaths_and_the_next_one_is_mailed(
    shop: Shop, processes: ServiceProcesses, broker: Broker, tmp_path: Path
) -> None:
    folder = tmp_path / "python-path"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(KILLED_BY_A_RECORD)
    of_no_account, customer = shop.ended("has no account", CHOREOGRAPHED), shop.customer()
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as producer:

        def send(key: bytes, order_id: OrderId) -> None:
            event = to_message(ORDER_EVENTS.write(shop.choreography.recorded(order_id)[-1]), None)
            producer.send("orders", event.value, key, list(event.headers), partition=0).get(timeout=20)

        send(b"killer", of_no_account)
        for _ in range(3):
            assert (
                processes.start("order-mails", PYTHONPATH=str(folder)).process.wait(DEATH_WITHIN_S) == -signal.SIGKILL
            )
        last = processes.start("order-mails", PYTHONPATH=str(folder))
        await_log(last, "the process died 2 times while it handled this record", within_s=DEATH_WITHIN_S)
        # It has looked for missed mails before, so only the event brings this one.
        confirmed = shop.ended(customer.user_id, CHOREOGRAPHED)
        send(confirmed.encode(), confirmed)

    shop.await_mails(customer, CONFIRMED)
    assert last.stop() == 0


def test_missed_mails_wait_for_a_database_that_is_away(shop: Shop, processes: ServiceProcesses) -> None:
    customer = shop.customer()
    shop.ended(customer.user_id)

    with locked(shop.settings["estate_database_url"]):
        process = processes.start("order-mails")
        await_log(process, "missed mails wait for a database")
        assert shop.mails_of(customer) == []

    shop.await_mails(customer, CONFIRMED)
    assert process.stop() == 0


@pytest.mark.parametrize("down_for", [NOW, DAY / 2], ids=["restarted at once", "down all night"])
def test_orders_that_ended_before_the_last_hour_of_business_are_skipped(shop: Shop, down_for: timedelta) -> None:
    late, long_ago = shop.customer(), shop.customer()
    shop.ended("has no account", ago=down_for)
    shop.ended(late.user_id, ago=down_for + LOOK_BACK + PENDING_DEADLINE - MINUTE)
    shop.ended(long_ago.user_id, ago=down_for + LOOK_BACK + PENDING_DEADLINE + MINUTE)

    shop.look_for_missed()

    assert (shop.mails_of(late), shop.mails_of(long_ago)) == ([CONFIRMED], [])


def test_an_order_whose_mail_may_be_deleted_already_gets_no_second_one(shop: Shop) -> None:
    customer = shop.customer()
    shop.ended(customer.user_id, ago=KEPT + MINUTE)

    shop.look_for_missed()

    assert shop.mails_of(customer) == []


def test_missed_mails_are_found_on_every_page(shop: Shop) -> None:
    customer = shop.customer()
    for _ in range(3):
        shop.ended("has no account")
        shop.ended(customer.user_id)

    shop.look_for_missed(page=2)
    shop.look_for_missed(page=3)

    assert shop.mails_of(customer) == [CONFIRMED] * 3
