from dataclasses import replace
from datetime import UTC, datetime, timedelta
from runpy import run_path

import pytest
from sqlalchemy import update

from adapters.sql.migrations import revisions_of
from adapters.sql.stores.orders import SqlOrderStore
from adapters.sql.tables import orders
from domain.ids import CustomerId, Sku
from domain.money import Money
from domain.order import OrderStatus, Reason, SagaStyle, Step
from runtime.wiring import Databases
from services.orders.store import Attention, OrderFilter, OrderRecord, Stage, UnfinishedCount, UnfinishedOrders
from tests.support.examples import BOOK, LAMP, NOON, a_request, an_order

FAILING = Attention(step=Step.REFUND_PAYMENT, since=NOON + timedelta(microseconds=3), error="GatewayFault: {503}")


def a_record(
    placed_at: datetime = NOON,
    style: SagaStyle = SagaStyle.ORCHESTRATED,
    stage: Stage = Stage.REQUESTED,
    attention: Attention | None = None,
) -> OrderRecord:
    return OrderRecord(
        request=a_request(),
        style=style,
        fingerprint="f",
        stage=stage,
        placed_at=placed_at,
        attention=attention,
        finished_at=NOON if stage in {Stage.CONFIRMED, Stage.CANCELLED} else None,
    )


def saved(databases: Databases, *records: OrderRecord) -> None:
    with databases.orders.writing() as connection:
        for record in records:
            SqlOrderStore(connection).add(record)
        connection.commit()


def page(databases: Databases, wanted: OrderFilter) -> list[OrderRecord]:
    with databases.orders.reading() as connection:
        return list(SqlOrderStore(connection).page(wanted))


def test_a_record_is_read_back_unchanged(databases: Databases) -> None:
    request = a_request((BOOK, 2), (LAMP, 1))
    record = OrderRecord(
        request=request,
        style=SagaStyle.CHOREOGRAPHED,
        fingerprint="0f3a",
        stage=Stage.CANCELLED,
        placed_at=NOON,
        order=an_order((BOOK, 2), (LAMP, 1), order_id=request.order_id),
        reason=Reason.OUT_OF_STOCK,
        attention=FAILING,
        finished_at=NOON + timedelta(microseconds=1),
    )
    saved(databases, record)

    with databases.orders.reading() as connection:
        found = SqlOrderStore(connection).find(request.order_id)

    assert found == record
    assert found.placed_at.utcoffset() == timedelta(0)


def test_an_attention_that_was_stored_as_text_is_still_read(databases: Databases) -> None:
    record = a_record(stage=Stage.CREATED)
    saved(databases, record)
    with databases.orders.writing() as connection:
        connection.execute(update(orders).values(attention="refund_payment keeps failing", status="needs_attention"))
        connection.commit()

    (found,) = page(databases, OrderFilter(limit=1, status=OrderStatus.NEEDS_ATTENTION))

    assert found.attention == Attention(
        step=Step.REFUND_PAYMENT, since=record.placed_at, error="refund_payment keeps failing"
    )


def test_pages_are_newest_first_and_follow_each_other(databases: Databases) -> None:
    records = [a_record(NOON + timedelta(microseconds=age // 2)) for age in range(7)]
    saved(databases, *records)

    first = page(databases, OrderFilter(limit=4))
    rest = page(databases, OrderFilter(limit=4, before=(first[-1].placed_at, first[-1].request.order_id)))

    newest_first = sorted(records, key=lambda record: (record.placed_at, record.request.order_id), reverse=True)
    assert first + rest == newest_first


def test_a_page_may_begin_at_any_time_that_a_cursor_can_name(databases: Databases) -> None:
    record = a_record()
    saved(databases, record)

    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for at, found in ((first, []), (last, [record])):
        assert page(databases, OrderFilter(limit=1, before=(at, record.request.order_id))) == found


@pytest.mark.parametrize("style", SagaStyle)
@pytest.mark.parametrize(
    ("status", "stages"),
    [
        (OrderStatus.PENDING, [(Stage.REQUESTED, None), (Stage.CREATED, None)]),
        (OrderStatus.NEEDS_ATTENTION, [(Stage.CREATED, FAILING)]),
        (OrderStatus.CONFIRMED, [(Stage.CONFIRMED, None)]),
        (OrderStatus.CANCELLED, [(Stage.CANCELLED, None)]),
    ],
)
def test_a_page_is_filtered_by_style_and_status(
    databases: Databases, style: SagaStyle, status: OrderStatus, stages: list[tuple[Stage, Attention | None]]
) -> None:
    every_stage = [*((stage, None) for stage in Stage), (Stage.CREATED, FAILING)]
    saved(databases, *(a_record(NOON, s, stage, attention) for s in SagaStyle for stage, attention in every_stage))

    found = page(databases, OrderFilter(limit=50, style=style, status=status))

    assert {(record.stage, record.attention) for record in found} == set(stages)
    assert {record.style for record in found} == {style}


def test_unfinished_orders_are_oldest_first_and_come_in_pages(databases: Databases) -> None:
    newest_first = [a_record(NOON - timedelta(minutes=age), stage=Stage.CREATED) for age in range(1, 4)]
    others = [
        a_record(NOON - timedelta(minutes=3), stage=Stage.CONFIRMED),
        a_record(NOON - timedelta(minutes=3), stage=Stage.CANCELLED),
        a_record(NOON - timedelta(minutes=3), style=SagaStyle.CHOREOGRAPHED),
        a_record(NOON),
    ]
    saved(databases, *newest_first, *others)
    first_page = UnfinishedOrders(style=SagaStyle.ORCHESTRATED, placed_before=NOON, limit=2)

    with databases.orders.reading() as connection:
        first = SqlOrderStore(connection).unfinished(first_page)
        last = first[-1].placed_at, first[-1].request.order_id
        second = SqlOrderStore(connection).unfinished(replace(first_page, after=last))

    assert [*first, *second] == newest_first[::-1]


def test_a_price_is_the_last_one_set(databases: Databases) -> None:
    with databases.orders.writing() as connection:
        store = SqlOrderStore(connection)
        store.set_price(BOOK, Money(amount=1, currency="JPY"))
        store.set_price(BOOK, Money(amount=2**40, currency="BRL"))

        assert store.prices_of([BOOK, Sku("NOTHING")]) == {BOOK: Money(amount=2**40, currency="BRL")}
        assert store.prices_of([]) == {}


def test_a_customer_is_shown_own_orders_alone_also_those_from_before_the_column(databases: Databases) -> None:
    records = [a_record(), replace(a_record(), request=replace(a_request(), customer_id=CustomerId("Bea's")))]
    saved(databases, *records)
    (revision,) = revisions_of("orders").glob("0005_*.py")
    fill_customers = run_path(str(revision))["fill_customers"]
    with databases.orders.writing() as connection:
        connection.execute(update(orders).values(customer_id=None))
        connection.exec_driver_sql(fill_customers(connection.dialect.name))
        connection.commit()

    for record in records:
        assert page(databases, OrderFilter(limit=5, customer_id=record.request.customer_id)) == [record]
    assert page(databases, OrderFilter(limit=5, customer_id=CustomerId("nobody"))) == []


def test_unfinished_orders_are_counted_by_style_and_status(databases: Databases) -> None:
    hour = timedelta(hours=1)
    saved(
        databases,
        a_record(NOON),
        a_record(NOON + hour),
        a_record(NOON, SagaStyle.CHOREOGRAPHED, attention=FAILING),
        a_record(NOON, stage=Stage.CONFIRMED),
    )

    with databases.orders.reading() as connection:
        counted = SqlOrderStore(connection).count_unfinished(overdue_before=NOON + timedelta(minutes=1))

    assert {(each.style, each.status): each for each in counted} == {
        (SagaStyle.ORCHESTRATED, OrderStatus.PENDING): UnfinishedCount(
            style=SagaStyle.ORCHESTRATED, status=OrderStatus.PENDING, count=2, oldest_placed_at=NOON, overdue=1
        ),
        (SagaStyle.CHOREOGRAPHED, OrderStatus.NEEDS_ATTENTION): UnfinishedCount(
            style=SagaStyle.CHOREOGRAPHED,
            status=OrderStatus.NEEDS_ATTENTION,
            count=1,
            oldest_placed_at=NOON,
            overdue=0,
        ),
    }
