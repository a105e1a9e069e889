"""The tables of each service, of the gateway and of the Celery estate. The migrations create them."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    literal_column,
)

from messaging.sql.dialects import NAMES, Instant, Sequence

ORDERS: Final = MetaData(naming_convention=NAMES)
PAYMENTS: Final = MetaData(naming_convention=NAMES)
INVENTORY: Final = MetaData(naming_convention=NAMES)
SHIPPING: Final = MetaData(naming_convention=NAMES)
GATEWAY: Final = MetaData(naming_convention=NAMES)
ESTATE: Final = MetaData(naming_convention=NAMES)


def _is(column: Column[str], value: str) -> ColumnElement[bool]:
    # A literal, not a parameter: the planner uses a partial index only if query and index have the same condition.
    return column == literal_column(f"'{value}'")


def _partial_index(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> None:
    Index(name, *columns, sqlite_where=where, postgresql_where=where)


orders = Table(
    "orders",
    ORDERS,
    Column("order_id", Text, primary_key=True),
    Column("style", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("priced_order", Text),
    Column("reason", Text),
    Column("attention", Text),
    Column("placed_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("customer_id", Text),
)
unfinished: Final[ColumnElement[bool]] = orders.c.finished_at.is_(None)
_PLACE = (orders.c.placed_at, orders.c.order_id)
Index("ix_orders_place", *_PLACE)
Index("ix_orders_style_place", orders.c.style, *_PLACE)
Index("ix_orders_status_place", orders.c.status, *_PLACE)
Index("ix_orders_style_status_place", orders.c.style, orders.c.status, *_PLACE)
Index("ix_orders_customer_place", orders.c.customer_id, *_PLACE)
_partial_index("ix_orders_unfinished", orders.c.style, *_PLACE, where=unfinished)

prices = Table(
    "prices",
    ORDERS,
    Column("sku", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
)

write_offs = Table(
    "write_offs",
    ORDERS,
    Column("order_id", Text, primary_key=True),
    Column("note", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# The two tables of the API itself. `roles`: separated by spaces.
api_keys = Table(
    "api_keys",
    ORDERS,
    Column("key_id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("customer_id", Text),
    Column("requests_per_minute", Integer),
    Column("made_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

actions = Table(
    "actions",
    ORDERS,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("order_id", Text),
    Column("detail", Text),
    Column("error", Text),
    sqlite_autoincrement=True,
)
Index("ix_actions_order_id_seq", actions.c.order_id, actions.c.seq)

payments = Table(
    "payments",
    PAYMENTS,
    Column("order_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("priced_order", Text),
    Column("charge_id", Text),
    Column("captured", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("reason", Text),
    Column("expires_at", Instant),
)
payment_pending: Final = _is(payments.c.status, "pending")
settlement_waits: Final = payment_pending & payments.c.priced_order.is_(None)
_partial_index("ix_payments_expires_at", payments.c.expires_at, where=payment_pending)

stock = Table(
    "stock",
    INVENTORY,
    Column("sku", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("on_hand", BigInteger, CheckConstraint("on_hand >= 0", name="on_hand"), nullable=False),
    Column("reserved", BigInteger, CheckConstraint("reserved >= 0", name="reserved"), nullable=False),
    Column("sold", BigInteger, CheckConstraint("sold >= 0", name="sold"), nullable=False),
    Column("restocked", BigInteger, nullable=False),
)

reservations = Table(
    "reservations",
    INVENTORY,
    Column("order_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("priced_order", Text),
    Column("reason", Text),
)
reserved_not_sold: Final = _is(reservations.c.status, "reserved")
_partial_index("ix_reservations_not_sold", reservations.c.order_id, where=reserved_not_sold)

shipments = Table(
    "shipments",
    SHIPPING,
    Column("order_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("tracking_number", Text),
    Column("reason", Text),
)

# `account` is the part of the idempotency key before the first slash: the order. `amount` is null for a key that was
# refunded before it was charged.
charges = Table(
    "charges",
    GATEWAY,
    Column("key", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("charge_id", Text, nullable=False),
    Column("instant", Boolean, nullable=False),
    Column("token", Text),
    Column("amount", BigInteger),
    Column("currency", Text),
    Column("captured", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("refund_asked", Boolean, nullable=False),
    Column("charge_faults", Integer, nullable=False),
    Column("refund_faults", Integer, nullable=False),
)

users = Table(
    "users",
    ESTATE,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

videos = Table(
    "videos",
    ESTATE,
    Column("video_id", Text, primary_key=True),
    Column("engine", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("size_before", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("status", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("size_after", BigInteger),
    Column("stored_at", Text),
    Column("error", Text),
    Column("alive_at", Instant),
    Column("finished_at", Instant),
)

# `due_at` is when to send the task (again), and null once the task has ended.
task_outbox = Table(
    "task_outbox",
    ESTATE,
    Column("task_id", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("due_at", Instant, index=True),
    Column("written_at", Instant, nullable=False, index=True),
)
