"""An order's timeline as a sequence diagram in SVG: each event with its service, its time and its cause."""

from collections.abc import Mapping, Sequence
from html import escape

from markupsafe import Markup

from comparison.measures import UNDOS, MeasuredOrder, TimelineEvent
from domain.order import SagaStyle
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE

ROW, TOP, LEFT, LABEL = 30, 46, 112, 200
"""In pixels: height of a row, above the first row, left of the first lane, right of the last lane."""

LANE = {SagaStyle.ORCHESTRATED: 122, SagaStyle.CHOREOGRAPHED: 150}
"""In pixels, between lanes. The orchestrated diagram has one lane more; so both have about the same width."""

SAGA = "saga"
SERVICES: Mapping[str, str] = {
    ORDER_SERVICE: "Order",
    PAYMENT_SERVICE: "Payment",
    INVENTORY_SERVICE: "Inventory",
    SHIPPING_SERVICE: "Shipping",
}
_REFUSALS = frozenset({"payment.failed", "inventory.failed", "shipping.failed"})
_STEP_OF: Mapping[str, str] = {
    "payment.completed": "charge_payment",
    "payment.failed": "charge_payment",
    "payment.refunded": "refund_payment",
}
"""The steps that call the gateway: the diagram shows their attempts."""


def sequence_diagram(style: SagaStyle, order: MeasuredOrder) -> Markup:
    """Return an SVG element. The page gives the colours of its classes `do`, `undo`, `refusal` and `end`."""
    lanes = ((SAGA,) if style is SagaStyle.ORCHESTRATED else ()) + tuple(SERVICES)
    places = {lane: LEFT + number * LANE[style] for number, lane in enumerate(lanes)}
    width, height = max(places.values()) + LABEL, TOP + len(order.events) * ROW + 10
    parts = [_lane(lane, x, height) for lane, x in places.items()]
    drawn: dict[str, tuple[int, int]] = {}
    for number, event in enumerate(order.events):
        at = places[event.service], TOP + number * ROW + ROW // 2
        drawn[event.event_id] = at
        parts.append(_row(event, at, _cause(event, at, places, drawn), order))
    title = f"{style} order, {len(order.events)} events, {order.status}"
    return Markup(  # noqa: S704 - its texts are escaped
        f'<svg class="sequence" role="img" viewBox="0 0 {width} {height}" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _lane(lane: str, x: int, height: int) -> str:
    name = "Saga workflow" if lane == SAGA else SERVICES[lane]
    return (
        f'<text class="lane" x="{x}" y="22" text-anchor="middle">{escape(name)}</text>'
        f'<line class="life" x1="{x}" y1="{TOP - 14}" x2="{x}" y2="{height - 6}"/>'
    )


def _cause(
    event: TimelineEvent, at: tuple[int, int], places: Mapping[str, int], drawn: Mapping[str, tuple[int, int]]
) -> tuple[int, int] | None:
    """Return where the arrow to the event begins: at the workflow (orchestrated), or at the event that caused it."""
    if SAGA in places:
        return None if event.type == "order.requested" else (places[SAGA], at[1])
    return drawn.get(event.caused_by or "")


def _row(event: TimelineEvent, at: tuple[int, int], cause: tuple[int, int] | None, order: MeasuredOrder) -> str:
    x, y = at
    kind, mark = _kind(event, order.events)
    after = (event.at - order.placed_at).total_seconds() * 1000
    attempts = order.attempts.get(_STEP_OF.get(event.type, ""), 1)
    beside = 14 if cause is not None and cause[0] > x else -5  # below an arrow that comes from the right
    text = f"{mark}{event.type}{f', attempt {attempts}' if attempts > 1 else ''}"
    return (
        f'<text class="at" x="{LEFT - 38}" y="{y + 4}" text-anchor="end">{after:,.0f} ms</text>'
        f"{_arrow(kind, cause, at)}"
        f'<circle class="{kind}" cx="{x}" cy="{y}" r="4.5"/>'
        f'<text class="{kind}" x="{x + 9}" y="{y + beside}">{escape(text)}</text>'
    )


def _kind(event: TimelineEvent, events: Sequence[TimelineEvent]) -> tuple[str, str]:
    """Return the class, and a mark with the same meaning for readers who do not see the colours."""
    undoes_itself = event.type == "order.cancelled" and any(other.type == "order.created" for other in events)
    if event.type in UNDOS or undoes_itself:
        return "undo", "↶ "
    if event.type in _REFUSALS or event.type == "order.cancelled":
        return "refusal", "✕ "
    return ("end", "✓ ") if event.type == "order.confirmed" else ("do", "")


def _arrow(kind: str, cause: tuple[int, int] | None, at: tuple[int, int]) -> str:
    if cause is None:
        return ""
    (x1, y1), (x2, y2) = cause, at
    if x1 == x2:  # a service that reacts to itself
        bow = x1 - 32
        return f'<path class="{kind}" d="M{x1 - 5} {y1} C{bow} {y1} {bow} {y2} {x2 - 7} {y2}"/>'
    gap = 7 if x2 > x1 else -7
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2 - gap}" y2="{y2}" marker-end="url(#arrow-{kind})"/>'


def arrow_heads() -> Markup:
    """Return an invisible SVG element. A page needs it once; all its diagrams refer to it."""
    heads = "".join(
        f'<marker id="arrow-{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="{kind} head" d="M0 0L8 4L0 8z"/></marker>'
        for kind in ("do", "undo", "refusal", "end")
    )
    return Markup(f'<svg class="heads" width="0" height="0" aria-hidden="true"><defs>{heads}</defs></svg>')  # noqa: S704 - a constant
