"""The comparison as one self-contained HTML file: no network, script or font."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from comparison.columns import COSTS, TIMES, columns_with_values, milliseconds, sections, wrong_outcome
from comparison.latency_chart import latency_chart
from comparison.results import Comparison, Result
from comparison.sequence_diagram import arrow_heads, sequence_diagram
from comparison.stack import PROCESSES_OF
from comparison.traced_orders import ORDERS, WARM_UP_ORDERS
from comparison.waterfall import seconds_of, waterfall


def report(comparison: Comparison) -> str:
    """Return the HTML. Jinja escapes all values; the drawings are Markup and escape their own texts."""
    environment = Environment(
        loader=PackageLoader("comparison"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        comparison=comparison,
        sections=sections(comparison.results),
        times=TIMES,
        costs=COSTS,
        columns_with_values=columns_with_values,
        arrow_heads=arrow_heads(),
        chart=latency_chart,
        diagram=sequence_diagram,
        waterfall=waterfall,
        trace_scale=max((seconds_of(traced.spans) for traced in comparison.traced.orders.values()), default=0.0),
        orders_traced=ORDERS,
        warm_up_traced=WARM_UP_ORDERS,
        wrong_outcome=wrong_outcome,
        milliseconds=milliseconds,
        busiest=_busiest(comparison),
        processes_of=PROCESSES_OF,
        idle_of={style: sum(comparison.idle.get(name, 0.0) for name in names) for style, names in PROCESSES_OF.items()},
    )


def _busiest(comparison: Comparison) -> Result | None:
    """Return the trial with the most concurrent orders: there, idle work is the smallest part of the CPU time."""
    concurrent = [
        result
        for result in comparison.results
        if result.trial.concurrent and result.trial.fault is None and all(row.own_cpu for row in result.rows.values())
    ]
    return max(concurrent, key=lambda result: result.trial.orders or 0, default=None)
