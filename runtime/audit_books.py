"""The audit's view of the databases: what `comparison.invariants` asks for, out of `adapters.sql.audit`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from adapters.sql.audit import AuditReads
from comparison.books import Charge, Counted
from domain.ids import EventId, OrderId
from services.inventory.store import Reservation, Stock
from services.orders.store import OrderRecord
from services.payments.store import Payment
from services.shipping.store import Shipment


class SqlBooks:
    def __init__(self, reads: AuditReads) -> None:
        self._reads = reads

    def orders(self) -> Iterator[Sequence[OrderRecord]]:
        return self._reads.orders()

    def payments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Payment]:
        return self._reads.payments(order_ids)

    def reservations(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Reservation]:
        return self._reads.reservations(order_ids)

    def shipments(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Shipment]:
        return self._reads.shipments(order_ids)

    def charges(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, Sequence[Charge]]:
        found: defaultdict[OrderId, list[Charge]] = defaultdict(list)
        for order_id, captured, refunded in self._reads.charges(order_ids):
            found[order_id].append(Charge(captured=captured, refunded=refunded))
        return found

    def strangers(self) -> Iterable[tuple[str, OrderId]]:
        return self._reads.strangers()

    def stock(self) -> Iterable[tuple[Stock, Counted]]:
        return ((item, Counted(reserved=reserved, sold=sold)) for item, reserved, sold in self._reads.stock())

    def outbox_waiting(self, before: datetime) -> Iterable[tuple[str, OrderId]]:
        return self._reads.outbox_waiting(before)

    def handled_twice(self) -> Iterable[tuple[str, OrderId, EventId]]:
        return self._reads.handled_twice()
