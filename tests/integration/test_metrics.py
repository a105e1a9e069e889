"""The Prometheus metrics of a service, scraped from a real one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager

import pytest
from kafka import TopicPartition
from sqlalchemy import text

from domain.commands import RefundPayment
from domain.order import Card, Reason
from messaging.kafka.lag import STALLED_S, GroupLag
from messaging.sql.database import Database
from processes.api.consumers import ConsumerWatch, PartitionStalled
from processes.choreography.metrics import service_metrics
from processes.choreography.service import topics_read_by
from runtime.errors import CannotRun
from runtime.metrics import metrics_served
from runtime.settings import Settings
from tests.support.broker import Broker
from tests.support.choreography_in_threads import OPENERS, Choreography, impatient
from tests.support.metrics import Scraped
from tests.support.ports import free_port, listens


@contextmanager
def away(database: Database, table: str) -> Iterator[None]:
    """Remove the table during the block, as a migration or a restore may."""

    def rename(old: str, new: str) -> None:
        with database.writing() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
            connection.commit()

    rename(table, "elsewhere")
    try:
        yield
    finally:
        rename("elsewhere", table)


Scraping = Callable[[str], AbstractContextManager[Scraped]]


@pytest.fixture
def scraping(choreography: Choreography) -> Scraping:
    @contextmanager
    def scrape(name: str) -> Iterator[Scraped]:
        port = free_port()
        with closing(OPENERS[name](choreography, choreography.clock)) as consuming:
            lag = GroupLag(choreography.connection, name, topics_read_by(name))
            with metrics_served(Settings(metrics_port=port), service_metrics(consuming, lag, choreography.clock)):
                yield Scraped(f"http://127.0.0.1:{port}/metrics")

    return scrape


def test_the_lag_grows_while_the_consumer_is_paused_and_returns_to_zero(
    choreography: Choreography, scraping: Scraping
) -> None:
    choreography.start()
    choreography.await_end(choreography.place())
    with scraping("inventory-service") as scraped:
        scraped.await_value("twinsaga_consumer_lag", lambda lag: lag == 0, "0")
        with away(choreography.databases.inventory, "inbox"):
            waiting = [choreography.place() for _ in range(5)]

            scraped.await_value("twinsaga_consumer_lag", lambda lag: lag == len(waiting), "5", topic="payments")

        for order_id in waiting:
            choreography.await_end(order_id)
        scraped.await_value("twinsaga_consumer_lag", lambda lag: lag == 0, "0")
        assert {labels["topic"] for labels, _ in scraped.samples("twinsaga_consumer_lag")} == {"payments", "shipping"}


async def test_a_consumer_that_stands_still_while_messages_wait_is_not_ready(
    choreography: Choreography, scraping: Scraping
) -> None:
    group, topics = "inventory-service", topics_read_by("inventory-service")
    times = iter([0.0, STALLED_S, 2 * STALLED_S, 3 * STALLED_S])
    watch = ConsumerWatch(choreography.connection, {group: topics}, lambda: next(times))
    choreography.start()
    choreography.await_end(choreography.place())
    with scraping(group) as scraped:
        scraped.await_value("twinsaga_consumer_lag", lambda lag: lag == 0, "0")
        with away(choreography.databases.inventory, "inbox"):
            order_id = choreography.place()
            scraped.await_value("twinsaga_consumer_lag", lambda lag: lag == 1, "1", topic="payments")

            watch.look()
            await watch.ask()
            watch.look()
            with pytest.raises(PartitionStalled):
                await watch.ask()
            scraped.await_value("twinsaga_consumer_stalled_seconds", lambda s: s > 1, "> 1", topic="payments")

        choreography.await_end(order_id)
        scraped.await_value("twinsaga_consumer_lag", lambda lag: lag == 0, "0")
        scraped.await_value("twinsaga_consumer_stalled_seconds", lambda s: s == 0, "0")
        watch.look()
        await watch.ask()


def test_a_group_that_never_committed_lags_by_all_messages(choreography: Choreography, scraping: Scraping) -> None:
    choreography.start("order-service")
    order_id = choreography.place()
    choreography.await_event(order_id, "order.created")

    with scraping("payment-service") as scraped:
        scraped.await_value("twinsaga_consumer_lag", lambda lag: lag == 2, "2", topic="orders")


def test_a_parked_message_is_counted_until_it_is_handled(choreography: Choreography, scraping: Scraping) -> None:
    choreography.patience = impatient(attempts=10_000)
    choreography.start()
    with scraping("payment-service") as scraped:
        scraped.await_value("twinsaga_parked_messages", lambda parked: parked == 0, "0")
        sick = choreography.place(Card(token="tok_refundFails"), postal_code="00000")

        scraped.await_value("twinsaga_parked_messages", lambda parked: parked == 1, "1", service="payment-service")

        reason = Reason.UNDELIVERABLE_ADDRESS
        choreography.services.payments.refund(RefundPayment(order_id=sick, reason=reason, asked_by_operator=True))
        choreography.await_end(sick)
        scraped.await_value("twinsaga_parked_messages", lambda parked: parked == 0, "0")


@pytest.mark.embedded("stops the embedded broker; tests/real/test_servers_away.py kills the real one")
def test_the_outbox_ages_while_the_broker_is_away(
    choreography: Choreography, broker: Broker, scraping: Scraping
) -> None:
    choreography.start()
    choreography.await_end(choreography.place())
    with scraping("order-service") as scraped:
        scraped.await_value("twinsaga_outbox_age_seconds", lambda age: age == 0, "0")
        broker.stop()
        choreography.place()

        scraped.await_value("twinsaga_outbox_age_seconds", lambda age: age > 0, "more than 0")
        first = scraped.value("twinsaga_outbox_age_seconds") or 0.0
        scraped.await_value("twinsaga_outbox_age_seconds", lambda age: age > first, f"more than {first}")

        assert scraped.value("twinsaga_source_up", source="kafka") == 0
        assert scraped.value("twinsaga_source_up", source="database") == 1
        assert scraped.value("twinsaga_consumer_lag") is None


def test_metrics_of_a_database_that_is_away_are_left_out(choreography: Choreography, scraping: Scraping) -> None:
    with away(choreography.databases.shipping, "parked"), scraping("shipping-service") as scraped:
        assert scraped.value("twinsaga_source_up", source="database") == 0
        assert scraped.value("twinsaga_parked_messages") is None
        assert scraped.value("twinsaga_consumer_lag") == 0


class CountedLag(GroupLag):
    measured = 0

    def measure(self) -> Mapping[TopicPartition, int]:
        self.measured += 1
        return {}


def test_frequent_scrapes_share_one_measurement_and_the_port_is_released(choreography: Choreography) -> None:
    port = free_port()
    lag = CountedLag(choreography.connection, "shipping-service", ())
    with closing(OPENERS["shipping-service"](choreography, choreography.clock)) as consuming:
        settings, measures = Settings(metrics_port=port), service_metrics(consuming, lag)
        with metrics_served(settings, measures):
            scraped = Scraped(f"http://127.0.0.1:{port}/metrics")
            assert [scraped.value("twinsaga_source_up", source="kafka") for _ in range(20)] == [1] * 20
            with pytest.raises(CannotRun, match=str(port)), metrics_served(settings, measures):
                pass

    assert lag.measured < 20
    assert not listens(port)
