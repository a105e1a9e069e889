"""The invariants that hold at rest, over all services' databases and the gateway's books, also after any crash."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from domain.ids import OrderId
from domain.order import Order
from messaging.unit_of_work import Clock
from services.audit.books import Books, Charge
from services.inventory.store import Reservation, ReservationStatus
from services.orders.store import PENDING_DEADLINE, OrderRecord, Remedy, Stage
from services.payments.store import Payment, PaymentStatus
from services.shipping.store import Shipment, ShipmentStatus

SALE_GRACE = timedelta(minutes=1)
"""The sale follows the pivot by a message of its own. Later, Inventory has lost that message or does not work."""

OUTBOX_GRACE = timedelta(seconds=5)
"""A younger event is still on its way to the broker."""

BROKEN_LISTED = 1_000
"""Only this many violations are listed; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """`order_id` is None if no single order is concerned, for example for the count of a SKU."""

    order_id: OrderId | None
    invariant: str
    detail: str


@dataclass(slots=True, kw_only=True)
class Verdict:
    orders_checked: int = 0
    orders_pending: int = 0
    orders_written_off: int = 0
    violations: int = 0
    broken: list[Violation] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.violations == 0

    def note(self, order_id: OrderId | None, invariant: str, detail: str) -> None:
        self.violations += 1
        if len(self.broken) < BROKEN_LISTED:
            self.broken.append(Violation(order_id=order_id, invariant=invariant, detail=detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dossier:
    """The records of one order in all five databases."""

    order_id: OrderId
    payment: Payment | None
    reservation: Reservation | None
    shipment: Shipment | None
    charges: Sequence[Charge]

    @property
    def held(self) -> int:
        return sum(charge.captured - charge.refunded for charge in self.charges)


def audit(books: Books, clock: Clock) -> Verdict:
    """Check every order and every SKU. Of a pending order, only the deadline is checked."""
    verdict = Verdict()
    now = clock()
    for records in books.orders():
        dossiers = _dossiers([record.request.order_id for record in records], books)
        for record, dossier in zip(records, dossiers, strict=True):
            verdict.orders_checked += 1
            _check_order(record, dossier, now, verdict)
    for ids in books.written_off():
        for dossier in _dossiers(ids, books):
            verdict.orders_written_off += 1
            _check_written_off(dossier, verdict)
    # The rest is not checked order by order: many orders share a SKU, and an orphan has no order to start from.
    _check_stock(books, verdict)
    for service, order_id in books.orphans():
        verdict.note(order_id, "every record belongs to an order", f"{service} holds a record of an unknown order")
    for service, order_id in books.outbox_waiting(now - OUTBOX_GRACE):
        verdict.note(order_id, "no event waits in an outbox", f"an event of {service} is not published")
    for service, order_id, message_id in books.handled_twice():
        verdict.note(order_id, "no message is handled twice", f"message {message_id} had two effects in {service}")
    return verdict


def _dossiers(ids: Sequence[OrderId], books: Books) -> Iterator[_Dossier]:
    payments, reservations = books.payments(ids), books.reservations(ids)
    shipments, charges = books.shipments(ids), books.charges(ids)
    for order_id in ids:
        yield _Dossier(
            order_id=order_id,
            payment=payments.get(order_id),
            reservation=reservations.get(order_id),
            shipment=shipments.get(order_id),
            charges=charges.get(order_id, ()),
        )


def _check_order(record: OrderRecord, dossier: _Dossier, now: datetime, verdict: Verdict) -> None:
    match record.stage:
        case Stage.CONFIRMED:
            _check_confirmed(record.order, dossier, verdict)
            _check_sold(record, dossier, now, verdict)
            _check_gateway_agrees(dossier, verdict)
        case Stage.CANCELLED:
            _check_cancelled(dossier, verdict)
            _check_gateway_agrees(dossier, verdict)
        case Stage.REQUESTED | Stage.CREATED:
            verdict.orders_pending += 1
            attention = record.attention
            if attention is not None and attention.remedy is Remedy.REPAIR:
                verdict.note(dossier.order_id, "every unfinished order has a saga that moves it", attention.error)
            overdue = now - record.placed_at > PENDING_DEADLINE
            if overdue and attention is None:
                detail = f"pending since {record.placed_at.isoformat()}"
                verdict.note(dossier.order_id, "no order is pending past its deadline", detail)


def _check_confirmed(order: Order | None, dossier: _Dossier, verdict: Verdict) -> None:
    total = order.total.amount if order else None
    captured = [charge for charge in dossier.charges if charge.captured]
    # An order of total 0 needs no charge.
    if len(captured) != (0 if total == 0 else 1) or dossier.held != total:
        detail = f"total {total}, {len(captured)} charges hold {dossier.held}"
        verdict.note(dossier.order_id, "a confirmed order has one captured charge of its total", detail)
    reservation = dossier.reservation
    # Still reserved is right too, for a while: see `_check_sold`.
    live = {ReservationStatus.RESERVED, ReservationStatus.SOLD}
    if reservation is None or reservation.status not in live or not _same_order(reservation.order, order):
        detail = f"reservation: {reservation.status if reservation else 'none'}"
        verdict.note(dossier.order_id, "a confirmed order has each line reserved", detail)
    if dossier.shipment is None or dossier.shipment.status is not ShipmentStatus.SCHEDULED:
        detail = f"shipment: {dossier.shipment.status if dossier.shipment else 'none'}"
        verdict.note(dossier.order_id, "a confirmed order has one shipment", detail)


def _same_order(reserved: Order | None, order: Order | None) -> bool:
    """Whether they are equal but for the payment method: a charged order travels on without its card token."""
    if reserved is None or order is None:
        return reserved is order
    return replace(reserved, payment=order.payment) == order


def _check_sold(record: OrderRecord, dossier: _Dossier, now: datetime, verdict: Verdict) -> None:
    unsold = dossier.reservation is not None and dossier.reservation.status is ReservationStatus.RESERVED
    if unsold and record.finished_at is not None and now - record.finished_at > SALE_GRACE:
        detail = f"its pieces are still reserved; it was confirmed at {record.finished_at.isoformat()}"
        verdict.note(dossier.order_id, "a confirmed order is sold", detail)


def _check_cancelled(dossier: _Dossier, verdict: Verdict) -> None:
    if dossier.held:
        detail = f"{dossier.held} minor units are still captured"
        verdict.note(dossier.order_id, "a cancelled order has nothing captured on balance", detail)
    reservation, shipment = dossier.reservation, dossier.shipment
    if reservation is not None and reservation.status in {ReservationStatus.RESERVED, ReservationStatus.SOLD}:
        verdict.note(dossier.order_id, "a cancelled order has nothing reserved", f"reservation: {reservation.status}")
    if shipment is not None and shipment.status is ShipmentStatus.SCHEDULED:
        verdict.note(dossier.order_id, "a cancelled order has no live shipment", f"shipment: {shipment.status}")


def _check_written_off(dossier: _Dossier, verdict: Verdict) -> None:
    # A parcel that is on its way stays paid, as for any order past the pivot.
    if dossier.shipment is None or dossier.shipment.status is not ShipmentStatus.SCHEDULED:
        _check_cancelled(dossier, verdict)
    _check_gateway_agrees(dossier, verdict)


def _check_gateway_agrees(dossier: _Dossier, verdict: Verdict) -> None:
    payment = dossier.payment
    ours = (payment.captured, payment.refunded) if payment else (0, 0)
    theirs = (sum(charge.captured for charge in dossier.charges), sum(charge.refunded for charge in dossier.charges))
    if ours != theirs:
        detail = f"captured and refunded: ours {ours}, the gateway's {theirs}"
        verdict.note(dossier.order_id, "the gateway's books agree with ours", detail)
    # A settlement that waits for its charge is forgotten in time; money of it would differ from the gateway's books.
    if payment is not None and payment.status is PaymentStatus.PENDING and not payment.awaits_order:
        detail = "the order is finished and its payment is pending"
        verdict.note(dossier.order_id, "a finished order waits for no payment", detail)


def _check_stock(books: Books, verdict: Verdict) -> None:
    for stock, counted in books.stock():
        if stock.on_hand + stock.reserved + stock.sold != stock.restocked:
            detail = f"SKU {stock.sku}: {stock.on_hand} + {stock.reserved} + {stock.sold} != {stock.restocked}"
            verdict.note(None, "on hand + reserved + sold changes by restocking only", detail)
        if min(stock.on_hand, stock.reserved, stock.sold) < 0:
            verdict.note(None, "nothing is negative", f"SKU {stock.sku}: {stock}")
        if (stock.reserved, stock.sold) != (counted.reserved, counted.sold):
            detail = f"SKU {stock.sku}: reserved, sold {stock.reserved, stock.sold}; the reservations say {counted}"
            verdict.note(None, "stock agrees with the reservations", detail)
