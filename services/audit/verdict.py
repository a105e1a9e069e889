"""The result of an audit."""

from dataclasses import dataclass, field

from domain.ids import OrderId

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
    violations: int = 0
    broken: list[Violation] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.violations == 0

    def note(self, order_id: OrderId | None, invariant: str, detail: str) -> None:
        self.violations += 1
        if len(self.broken) < BROKEN_LISTED:
            self.broken.append(Violation(order_id=order_id, invariant=invariant, detail=detail))
