"""The audit's verdict for the terminal."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from services.audit.verdict import Verdict

SHOWN = 20


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """Return what `GET /audit` answers for it."""
    return {
        "ok": verdict.ok,
        "orders_checked": verdict.orders_checked,
        "orders_pending": verdict.orders_pending,
        "broken": [asdict(violation) for violation in verdict.broken],
    }


def print_verdict(verdict: Mapping[str, Any], console: Console) -> None:
    """`verdict` is what `GET /audit` answers."""
    checked = f"{verdict['orders_checked']} orders checked, {verdict['orders_pending']} still pending"
    if verdict["ok"]:
        console.print(f"[green]audit: every invariant holds[/green] ({checked})")
        return
    broken = verdict["broken"]
    console.print(f"[red]audit: {len(broken)} violations[/red] ({checked})")
    for violation in broken[:SHOWN]:
        about = violation["order_id"] or "all orders"
        console.print(f"  {about}: {escape(violation['invariant'])}: {escape(violation['detail'])}")
    if len(broken) > SHOWN:
        console.print(f"  and {len(broken) - SHOWN} more")
