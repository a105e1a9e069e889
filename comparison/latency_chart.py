"""The latencies of all orders of a trial as dots in SVG: a strip for each style, both on one scale."""

from html import escape
from math import ceil, log10

from markupsafe import Markup

from comparison.measures import Latency
from comparison.results import Result
from domain.order import SagaStyle

LEFT, WIDTH, STRIP, TICKS = 118, 640, 44, 5


def latency_chart(result: Result) -> Markup:
    """Return an SVG element with a linear scale that begins at zero, or nothing if no order finished."""
    known = {style: row.latency for style, row in result.rows.items() if row.latency is not None}
    if not known:
        return Markup()
    end = round_up(max(latency.longest for latency in known.values()))
    scale = (WIDTH - LEFT - 60) / end
    height = STRIP * len(known) + 26
    parts = [_axis(end, scale, height)]
    parts += [_strip(style, latency, number, scale) for number, (style, latency) in enumerate(known.items())]
    title = f"Latencies: {result.trial.name}"
    return Markup(  # noqa: S704 - its texts are escaped
        f'<svg class="latencies" role="img" viewBox="0 0 {WIDTH} {height}" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _strip(style: SagaStyle, latency: Latency, number: int, scale: float) -> str:
    middle = number * STRIP + STRIP // 2
    dots = "".join(
        f'<circle class="dot {style}" cx="{LEFT + seconds * scale:.1f}" cy="{middle + _offset(place)}" r="3.5"/>'
        for place, seconds in enumerate(sorted(latency.all))
    )
    x = LEFT + latency.p50 * scale
    median = f'<line class="median" x1="{x:.1f}" y1="{middle - 16}" x2="{x:.1f}" y2="{middle + 16}"/>'
    name = f'<text class="name" x="0" y="{middle + 4}">{escape(style)}</text>'
    return f'{name}{dots}{median}<text class="value" x="{x + 5:.1f}" y="{middle - 9}">{latency.p50 * 1000:,.0f}</text>'


def _offset(place: int) -> int:
    """Return pixels above or below the middle, so that equal values do not hide one another."""
    return (0, 5, -5, 9, -9)[place % 5]


def _axis(end: float, scale: float, height: int) -> str:
    marks = []
    for number in range(TICKS + 1):
        seconds = end * number / TICKS
        x = LEFT + seconds * scale
        marks.append(
            f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 22}"/>'
            f'<text class="tick" x="{x:.1f}" y="{height - 6}" text-anchor="middle">{seconds * 1000:,.0f} ms</text>'
        )
    return "".join(marks)


def round_up(seconds: float) -> float:
    """Round up to 1, 2, 2.5 or 5 times a power of ten."""
    if seconds <= 0:
        return 0.001
    decade = 10.0 ** ceil(log10(seconds) - 1)
    return next(float(step * decade) for step in (1, 2, 2.5, 5, 10, 20) if seconds <= step * decade)
