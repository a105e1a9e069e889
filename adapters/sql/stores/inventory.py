from collections.abc import Sequence

from sqlalchemy import BindParameter, Column, Connection, Executable, RowMapping, bindparam, select, update

from adapters.codec import from_json, to_json
from adapters.sql.stores.order_rows import OrderRows
from adapters.sql.tables import reservations, reserved_not_sold, stock
from domain.errors import ImpossibleState
from domain.ids import OrderId, Sku
from domain.order import Order, Reason
from messaging.sql.dialects import inserting
from services.inventory.store import Reservation, ReservationStatus, Stock

_pieces: BindParameter[int] = bindparam("pieces")


def _moving(*, out_of: Column[int], into: Column[int]) -> Executable:
    # Check and change are one statement, so concurrent orders cannot take more pieces than there are.
    enough = update(stock).where(stock.c.sku == bindparam("of_sku"), out_of >= _pieces)
    return enough.values({out_of: out_of - _pieces, into: into + _pieces})


_RESERVE = _moving(out_of=stock.c.on_hand, into=stock.c.reserved)
_RELEASE = _moving(out_of=stock.c.reserved, into=stock.c.on_hand)
_SELL = _moving(out_of=stock.c.reserved, into=stock.c.sold)
_TAKE_BACK = _moving(out_of=stock.c.sold, into=stock.c.on_hand)


class SqlInventoryStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows = OrderRows(connection, reservations)

    def find(self, order_id: OrderId) -> Reservation | None:
        row = self._rows.find(order_id)
        return reservation(row) if row else None

    def save(self, reservation: Reservation) -> None:
        row = {
            "status": reservation.status,
            "priced_order": to_json(reservation.order) if reservation.order else None,
            "reason": reservation.reason,
        }
        self._rows.save(reservation.order_id, row)

    def unsold(self, after: OrderId | None, limit: int) -> Sequence[OrderId]:
        page = select(reservations.c.order_id).where(reserved_not_sold).order_by(reservations.c.order_id).limit(limit)
        if after is not None:
            page = page.where(reservations.c.order_id > after)
        return list(map(OrderId, self._connection.execute(page).scalars()))

    def stock_of(self, sku: Sku) -> Stock | None:
        row = self._connection.execute(select(stock).where(stock.c.sku == sku)).mappings().first()
        return stock_item(row) if row else None

    def restock(self, sku: Sku, name: str, on_hand: int) -> None:
        statement = inserting(self._connection.dialect.name, stock)
        new = statement.excluded
        changes = {
            "name": new.name,
            "on_hand": new.on_hand,
            "restocked": stock.c.restocked + new.on_hand - stock.c.on_hand,
        }
        row = {"sku": sku, "name": name, "on_hand": on_hand, "reserved": 0, "sold": 0, "restocked": on_hand}
        self._connection.execute(statement.on_conflict_do_update(index_elements=["sku"], set_=changes), row)

    def reserve(self, sku: Sku, quantity: int) -> bool:
        return self._move(_RESERVE, sku, quantity)

    def release(self, sku: Sku, quantity: int) -> None:
        if not self._move(_RELEASE, sku, quantity):
            raise ImpossibleState(f"fewer than {quantity} pieces of {sku} are reserved")

    def sell(self, sku: Sku, quantity: int) -> None:
        if not self._move(_SELL, sku, quantity):
            raise ImpossibleState(f"fewer than {quantity} pieces of {sku} are reserved")

    def take_back(self, sku: Sku, quantity: int) -> None:
        if not self._move(_TAKE_BACK, sku, quantity):
            raise ImpossibleState(f"fewer than {quantity} pieces of {sku} are sold")

    def _move(self, move: Executable, sku: Sku, quantity: int) -> bool:
        return self._connection.execute(move, {"of_sku": sku, "pieces": quantity}).rowcount == 1


def reservation(row: RowMapping) -> Reservation:
    return Reservation(
        order_id=row["order_id"],
        status=ReservationStatus(row["status"]),
        order=from_json(Order, row["priced_order"]) if row["priced_order"] else None,
        reason=Reason(row["reason"]) if row["reason"] else None,
    )


def stock_item(row: RowMapping) -> Stock:
    return Stock(**{column.name: row[column.name] for column in stock.c})
