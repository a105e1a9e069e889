from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Executable, RowMapping, bindparam, case, func, select, tuple_

from adapters.codec import from_json, to_json
from adapters.sql.stores.order_rows import OrderRows
from adapters.sql.tables import orders, prices, unfinished
from domain.ids import OrderId, Sku
from domain.money import Money
from domain.order import Order, OrderRequest, OrderStatus, Reason, SagaStyle, Step
from messaging.sql.dialects import inserting
from services.orders.store import Attention, OrderFilter, OrderRecord, Stage, UnfinishedCount, UnfinishedOrders


class SqlOrderStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows = OrderRows(connection, orders)
        self.saved: OrderRecord | None = None

    def find(self, order_id: OrderId) -> OrderRecord | None:
        row = self._rows.find(order_id)
        return order_record(row) if row else None

    def add(self, record: OrderRecord) -> None:
        self._rows.add(record.request.order_id, _row(record))

    def save(self, record: OrderRecord) -> None:
        self._rows.save(record.request.order_id, _row(record))
        self.saved = record

    def page(self, wanted: OrderFilter) -> Sequence[OrderRecord]:
        # By key, not by offset: orders that are placed meanwhile neither shift nor repeat the rows of later pages.
        page = select(orders).order_by(orders.c.placed_at.desc(), orders.c.order_id.desc()).limit(wanted.limit)
        if wanted.style is not None:
            page = page.where(orders.c.style == wanted.style)
        if wanted.status is not None:
            page = page.where(orders.c.status == wanted.status)
        if wanted.customer_id is not None:
            page = page.where(orders.c.customer_id == wanted.customer_id)
        if wanted.before is not None:
            page = page.where(tuple_(orders.c.placed_at, orders.c.order_id) < tuple_(*_place(wanted.before)))
        return [order_record(row) for row in self._connection.execute(page).mappings()]

    def unfinished(self, wanted: UnfinishedOrders) -> Sequence[OrderRecord]:
        found = select(orders).where(unfinished, orders.c.style == wanted.style)
        found = found.where(orders.c.placed_at < wanted.placed_before)
        if wanted.after is not None:
            found = found.where(tuple_(orders.c.placed_at, orders.c.order_id) > tuple_(*_place(wanted.after)))
        page = found.order_by(orders.c.placed_at, orders.c.order_id).limit(wanted.limit)
        return [order_record(row) for row in self._connection.execute(page).mappings()]

    def count_unfinished(self, overdue_before: datetime) -> Sequence[UnfinishedCount]:
        overdue = case((orders.c.placed_at < _instant(overdue_before), 1), else_=0)
        counts = select(
            orders.c.style, orders.c.status, func.count(), func.min(orders.c.placed_at), func.sum(overdue)
        ).where(unfinished)
        return [
            UnfinishedCount(
                style=SagaStyle(style),
                status=OrderStatus(status),
                count=count,
                oldest_placed_at=oldest,
                overdue=int(late) if status == OrderStatus.PENDING else 0,
            )
            for style, status, count, oldest, late in self._connection.execute(
                counts.group_by(orders.c.style, orders.c.status)
            )
        ]

    def prices_of(self, skus: Sequence[Sku]) -> Mapping[Sku, Money]:
        wanted = {f"sku_{number}": sku for number, sku in enumerate(skus)}
        rows = self._connection.execute(_prices_of(len(wanted)), wanted)
        return {row.sku: Money(amount=row.amount, currency=row.currency) for row in rows}

    def set_price(self, sku: Sku, price: Money) -> None:
        statement = inserting(self._connection.dialect.name, prices)
        new = {"amount": statement.excluded.amount, "currency": statement.excluded.currency}
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["sku"], set_=new),
            {"sku": sku, "amount": price.amount, "currency": price.currency},
        )


def order_record(row: RowMapping) -> OrderRecord:
    return OrderRecord(
        request=from_json(OrderRequest, row["request"]),
        style=SagaStyle(row["style"]),
        fingerprint=row["fingerprint"],
        stage=Stage(row["stage"]),
        placed_at=row["placed_at"],
        order=from_json(Order, row["priced_order"]) if row["priced_order"] else None,
        reason=Reason(row["reason"]) if row["reason"] else None,
        attention=_attention(row),
        finished_at=row["finished_at"],
    )


def _attention(row: RowMapping) -> Attention | None:
    text = row["attention"]
    if not text or text.startswith("{"):
        return from_json(Attention, text) if text else None
    # A row from before the column held JSON: the error alone, of the only compensation that can run out of attempts.
    return Attention(step=Step.REFUND_PAYMENT, since=row["placed_at"], error=text)


def _row(record: OrderRecord) -> dict[str, Any]:
    return {
        "style": record.style,
        "stage": record.stage,
        "status": record.status,
        "fingerprint": record.fingerprint,
        "request": to_json(record.request),
        "priced_order": to_json(record.order) if record.order else None,
        "reason": record.reason,
        "attention": to_json(record.attention) if record.attention else None,
        "placed_at": record.placed_at,
        "finished_at": record.finished_at,
        "customer_id": record.request.customer_id,
    }


def _place(before: tuple[datetime, OrderId]) -> tuple[BindParameter[datetime], BindParameter[str]]:
    placed_at, order_id = before
    return _instant(placed_at), bindparam(None, order_id)


def _instant(at: datetime) -> BindParameter[datetime]:
    return bindparam(None, at, type_=orders.c.placed_at.type)


@cache
def _prices_of(count: int) -> Executable:
    # No expanding list: it renders the statement anew at each execution. Most orders have one line, so the cache hits.
    return select(prices).where(prices.c.sku.in_([bindparam(f"sku_{number}") for number in range(count)]))
