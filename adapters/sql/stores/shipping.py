from sqlalchemy import Connection, RowMapping

from adapters.sql.stores.order_rows import OrderRows
from adapters.sql.tables import shipments
from domain.ids import OrderId
from domain.order import Reason
from services.shipping.store import Shipment, ShipmentStatus


class SqlShippingStore:
    def __init__(self, connection: Connection) -> None:
        self._rows = OrderRows(connection, shipments)

    def find(self, order_id: OrderId) -> Shipment | None:
        row = self._rows.find(order_id)
        return shipment(row) if row else None

    def save(self, shipment: Shipment) -> None:
        row = {"status": shipment.status, "tracking_number": shipment.tracking_number, "reason": shipment.reason}
        self._rows.save(shipment.order_id, row)


def shipment(row: RowMapping) -> Shipment:
    return Shipment(
        order_id=row["order_id"],
        status=ShipmentStatus(row["status"]),
        tracking_number=row["tracking_number"],
        reason=Reason(row["reason"]) if row["reason"] else None,
    )
