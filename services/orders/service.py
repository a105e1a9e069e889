"""The Order service: accepts orders, prices them, and confirms or cancels them."""

from collections.abc import Sequence
from dataclasses import replace

from domain.commands import (
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    PlaceOrder,
    ReportLostSaga,
    RequestCancellation,
    ShowAttention,
)
from domain.errors import KeyReused, UnknownOrder
from domain.events import (
    Event,
    OrderCancellationRequested,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRequested,
)
from domain.ids import OrderId, Sku
from domain.money import Money
from domain.order import Order, OrderRequest, PricedLine, Reason, Step
from messaging.unit_of_work import Clock, StepStatus, UnitOfWork, UnitsOfWork
from services.journal import Journal, read_journal
from services.orders.store import (
    PENDING_DEADLINE,
    Attention,
    OrderFilter,
    OrderRecord,
    OrderStore,
    Remedy,
    Stage,
    UnfinishedCount,
    UnfinishedOrders,
)


class OrderService:
    def __init__(self, units: UnitsOfWork[OrderStore, Event], clock: Clock) -> None:
        self._units = units
        self._clock = clock

    def place(self, command: PlaceOrder) -> OrderRequested:
        """Accept an order. Repeatable, with the same result.

        Raises:
            KeyReused: an order with this id and another request exists.
        """
        request = command.request
        placed = OrderRequested(order_id=request.order_id, request=request)
        with self._units.begin() as unit:
            found = unit.store.find(request.order_id)
            if found is None:
                unit.store.add(
                    OrderRecord(
                        request=request,
                        style=command.style,
                        fingerprint=command.fingerprint,
                        stage=Stage.REQUESTED,
                        placed_at=self._clock(),
                    )
                )
                # Order and event in one commit: with it the order is placed, and no second write can be lost after it.
                unit.record(placed)
                unit.commit()
            elif found.fingerprint != command.fingerprint:
                raise KeyReused(request.order_id)
        return placed

    def create(self, command: CreateOrder) -> OrderCreated | OrderCancelled:
        """Price the lines. If the catalogue cannot price them all, the order is cancelled."""
        order_id = command.order.order_id
        with self._units.begin() as unit:
            record = _existing(unit, order_id)
            if record.stage is Stage.CANCELLED:
                return _cancelled(record)
            # Priced once: a repetition must not pick up prices that have changed since.
            if record.order is not None:
                return OrderCreated(order_id=order_id, order=record.order)
            priced = _priced(record.request, unit.store)
            event: OrderCreated | OrderCancelled
            if isinstance(priced, Reason):
                event = self._cancel(unit, record, priced)
                unit.tried(order_id, Step.CREATE_ORDER, StepStatus.REFUSED)
            else:
                event = OrderCreated(order_id=order_id, order=priced)
                unit.store.save(replace(record, stage=Stage.CREATED, order=priced))
                unit.record(event)
                unit.tried(order_id, Step.CREATE_ORDER, StepStatus.DONE)
            unit.commit()
        return event

    def confirm(self, command: ConfirmOrder) -> OrderConfirmed | OrderCancelled:
        """Confirm the order. It runs after the pivot, so only an undo that has begun, in an earlier run, refuses it."""
        event = OrderConfirmed(order_id=command.order_id)
        with self._units.begin() as unit:
            record = _existing(unit, command.order_id)
            if record.stage is Stage.CONFIRMED:
                return event
            if record.stage is Stage.CANCELLED or record.reason is not None:
                return _cancelled(record)
            unit.store.save(replace(record, stage=Stage.CONFIRMED, attention=None, finished_at=self._clock()))
            unit.record(event)
            unit.tried(command.order_id, Step.CONFIRM_ORDER, StepStatus.DONE)
            unit.commit()
        return event

    def begin_cancellation(self, command: CancelOrder) -> OrderCancellationRequested | OrderConfirmed:
        """Decide that the order is undone; call it before the first compensation. A confirmed order stays confirmed.

        A saga can be reset, so two of its runs may disagree. This decision and `confirm` exclude each other.
        """
        with self._units.begin() as unit:
            record = _existing(unit, command.order_id)
            if record.stage is Stage.CONFIRMED:
                return OrderConfirmed(order_id=command.order_id)
            reason = record.reason or command.reason
            if record.reason is None:
                unit.store.save(replace(record, reason=reason))
                unit.commit()
        return OrderCancellationRequested(order_id=command.order_id, reason=reason)

    def cancel(self, command: CancelOrder) -> OrderCancelled | OrderConfirmed:
        """Cancel the order. A confirmed order stays confirmed."""
        with self._units.begin() as unit:
            record = _existing(unit, command.order_id)
            # A late or repeated compensation of an earlier attempt must not undo what the customer was promised.
            if record.stage is Stage.CONFIRMED:
                return OrderConfirmed(order_id=command.order_id)
            if record.stage is Stage.CANCELLED:
                return _cancelled(record)
            event = self._cancel(unit, record, command.reason)
            unit.tried(command.order_id, Step.CANCEL_ORDER, StepStatus.DONE)
            unit.commit()
        return event

    def request_cancellation(self, command: RequestCancellation) -> OrderCancellationRequested:
        """Ask for a cancellation. The Shipping service, which owns the pivot, decides whether it is too late."""
        event = OrderCancellationRequested(order_id=command.order_id, reason=command.reason)
        with self._units.begin() as unit:
            # Only an event, no change of the order: whether it is too late is decided by the owner of the pivot.
            _existing(unit, command.order_id)
            unit.record(event)
            unit.commit()
        return event

    def show_attention(self, command: ShowAttention) -> None:
        """Show or clear that the order needs an operator. A finished order needs none, so it stays unchanged."""
        with self._units.begin() as unit:
            record = _existing(unit, command.order_id)
            changed = self._with_attention(record, command)
            if changed != record and record.finished_at is None:
                unit.store.save(changed)
                unit.commit()

    def report_lost_saga(self, command: ReportLostSaga) -> bool:
        """Show that the order needs a repair. Return False if it is finished, or shows this already."""
        with self._units.begin() as unit:
            record = _existing(unit, command.order_id)
            shown = record.attention is not None and record.attention.remedy is Remedy.REPAIR
            if shown or record.finished_at is not None:
                return False
            attention = Attention(step=command.step, since=self._clock(), error=command.error, remedy=Remedy.REPAIR)
            unit.store.save(replace(record, attention=attention))
            unit.commit()
        return True

    def _with_attention(self, record: OrderRecord, command: ShowAttention) -> OrderRecord:
        failed, shown = command.failed, record.attention
        if failed is None:
            return replace(record, attention=None)
        # A repeated report is about the same failure, so it keeps the time at which the order began to need attention.
        since = shown.since if shown and shown.step is failed.step else self._clock()
        attention = Attention(step=failed.step, since=since, error=failed.error)
        return replace(record, attention=attention, reason=failed.reason or record.reason)

    def set_price(self, sku: Sku, price: Money) -> None:
        """Set the price of a product. Orders that are already created keep their price."""
        with self._units.begin() as unit:
            unit.store.set_price(sku, price)
            unit.commit()

    def price_of(self, sku: Sku) -> Money | None:
        with self._units.look() as unit:
            return unit.store.prices_of([sku]).get(sku)

    def find(self, order_id: OrderId) -> OrderRecord:
        with self._units.look() as unit:
            return _existing(unit, order_id)

    def journal(self, order_id: OrderId) -> Journal:
        return read_journal(self._units, order_id)

    def page(self, wanted: OrderFilter) -> Sequence[OrderRecord]:
        with self._units.look() as unit:
            return unit.store.page(wanted)

    def unfinished(self, wanted: UnfinishedOrders) -> Sequence[OrderRecord]:
        """Return orders that are neither confirmed nor cancelled, the oldest first."""
        with self._units.look() as unit:
            return unit.store.unfinished(wanted)

    def count_unfinished(self) -> Sequence[UnfinishedCount]:
        """Count the unfinished orders, for operators."""
        with self._units.look() as unit:
            return unit.store.count_unfinished(overdue_before=self._clock() - PENDING_DEADLINE)

    def _cancel(self, unit: UnitOfWork[OrderStore, Event], record: OrderRecord, reason: Reason) -> OrderCancelled:
        event = OrderCancelled(order_id=record.request.order_id, reason=reason)
        unit.store.save(
            replace(record, stage=Stage.CANCELLED, reason=reason, attention=None, finished_at=self._clock())
        )
        unit.record(event)
        return event


def _existing(unit: UnitOfWork[OrderStore, Event], order_id: OrderId) -> OrderRecord:
    record = unit.store.find(order_id)
    if record is None:
        raise UnknownOrder(order_id)
    return record


def _cancelled(record: OrderRecord) -> OrderCancelled:
    return OrderCancelled(order_id=record.request.order_id, reason=record.reason or Reason.CANCELLED_BY_CUSTOMER)


def _priced(request: OrderRequest, store: OrderStore) -> Order | Reason:
    prices = store.prices_of([line.sku for line in request.lines])
    if any(line.sku not in prices for line in request.lines):
        return Reason.UNKNOWN_SKU
    if len({price.currency for price in prices.values()}) > 1:
        return Reason.MIXED_CURRENCIES
    return Order(
        order_id=request.order_id,
        customer_id=request.customer_id,
        lines=tuple(
            PricedLine(sku=line.sku, quantity=line.quantity, unit_price=prices[line.sku]) for line in request.lines
        ),
        payment=request.payment,
        shipping_address=request.shipping_address,
    )
