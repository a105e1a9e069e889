from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, bindparam, select

from adapters.codec import from_json, to_json
from adapters.sql.stores.order_rows import OrderRows
from adapters.sql.tables import payment_pending, payments
from domain.ids import OrderId
from domain.order import Order, Reason
from services.payments.store import Payment, PaymentStatus

_EXPIRED = (
    select(payments)
    .where(payment_pending, payments.c.expires_at <= bindparam("now"))
    .order_by(payments.c.expires_at)
    .limit(bindparam("at_most"))
)


class SqlPaymentStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows = OrderRows(connection, payments)

    def find(self, order_id: OrderId) -> Payment | None:
        row = self._rows.find(order_id)
        return payment(row) if row else None

    def save(self, payment: Payment) -> None:
        row = {
            "status": payment.status,
            "priced_order": to_json(payment.order) if payment.order else None,
            "charge_id": payment.charge_id,
            "captured": payment.captured,
            "refunded": payment.refunded,
            "reason": payment.reason,
            "expires_at": payment.expires_at,
        }
        self._rows.save(payment.order_id, row)

    def forget(self, order_id: OrderId) -> None:
        self._rows.remove(order_id)

    def expired(self, now: datetime, limit: int) -> Sequence[Payment]:
        rows = self._connection.execute(_EXPIRED, {"now": now, "at_most": limit}).mappings()
        return [payment(row) for row in rows]


def payment(row: RowMapping) -> Payment:
    return Payment(
        order_id=row["order_id"],
        status=PaymentStatus(row["status"]),
        order=from_json(Order, row["priced_order"]) if row["priced_order"] else None,
        charge_id=row["charge_id"],
        captured=row["captured"],
        refunded=row["refunded"],
        reason=Reason(row["reason"]) if row["reason"] else None,
        expires_at=row["expires_at"],
    )
