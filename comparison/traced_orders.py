"""A few orders of each style with their spans, for the waterfalls of the report: docs/decisions/0028.

They are placed after the measured orders, on a stack of their own: spans take processor time from every figure.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx

from comparison.api_client import ShopClient, http_client
from comparison.child_processes import child_stack
from comparison.measures import MeasuredOrder, median_order
from comparison.scenarios import SCENARIOS
from comparison.span_receiver import SENT_AT_ONCE, ReceivedSpan, SpanCollector, span_receiver
from comparison.stack import SAGA_PROCESSES
from domain.order import SagaStyle
from runtime.errors import CannotRun
from runtime.settings import Settings

WARM_UP_ORDERS = 5
ORDERS = 5
"""An odd number, so that one of them is the median."""

DEADLINE_S = 120.0
HTTP_TIMEOUT_S = 30.0
PROBLEM_LENGTH = 1_000
"""In characters. The last output of a stack that did not start may be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedOrder:
    """The order with the median latency of ORDERS. `spans`: all of its trace, the earliest first."""

    order: MeasuredOrder
    spans: Sequence[ReceivedSpan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """`problem` says why a style has no order here."""

    orders: Mapping[SagaStyle, TracedOrder] = field(default_factory=dict)
    problem: str | None = None


def trace_orders(settings: Settings, folder: Path) -> Traced:
    """Start a stack that sends traces, with its data in `folder`, and place the orders one by one.

    Never raises CannotRun: the orders of the comparison are measured by then, and their figures must not be lost.
    """
    folder.mkdir()
    collector = SpanCollector()
    traced = settings.with_changes(data_dir=folder)
    try:
        with (
            span_receiver(collector.take) as variables,
            child_stack(traced, folder, SAGA_PROCESSES, {**variables, **SENT_AT_ONCE}) as ready,
        ):
            medians = asyncio.run(_medians(ready))
    except CannotRun as failed:
        return Traced(problem=str(failed)[:PROBLEM_LENGTH])
    except (httpx.HTTPError, TimeoutError) as failure:
        return Traced(problem=f"the stack that sends traces did not finish its orders: {failure!r}")
    # The stack has ended, and a process sends its last spans before it ends.
    orders = {
        style: TracedOrder(order=order, spans=sorted(spans, key=lambda span: span.began))
        for style, order in medians.items()
        if (spans := collector.of_order(order.order_id))
    }
    return Traced(
        orders=orders, problem=None if len(orders) == len(medians) else "the stack sent no spans of its orders"
    )


async def _medians(ready: Mapping[str, str]) -> Mapping[SagaStyle, MeasuredOrder]:
    async with asyncio.timeout(DEADLINE_S), http_client(ready, HTTP_TIMEOUT_S) as client:
        shop = ShopClient(client)
        body = await shop.stock(SCENARIOS["ok"], "traced")
        medians = {}
        for style in SagaStyle:
            order_ids = []
            for _ in range(WARM_UP_ORDERS + ORDERS):
                order_ids.append(await shop.place(body, style))
                await shop.wait_until_finished(style, order_ids[-1:])
            orders = [
                await shop.measured(order_id, history_events=0, operator_actions=0)
                for order_id in order_ids[WARM_UP_ORDERS:]
            ]
            medians[style] = median_order(orders)
        return medians
