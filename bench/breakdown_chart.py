"""Draws the time of one order by step: a stacked bar in SVG for each style and each baseline."""

from collections.abc import Iterator, Mapping
from html import escape
from itertools import cycle, zip_longest

WIDTH, LEFT, RIGHT, TOP, BAR, STEP, LINE = 820, 156, 700, 14, 30, 44, 22
COLOURS = "#9aa5b1", "#2f4b9a", "#4f7cd6", "#1b7a6b", "#4fb39a", "#b06a16"
INK, PAPER = "#1c1c22", "#ffffff"
TITLE = "Where the time of one order goes"
MIN_LABELLED = 14
ALONE = " alone: "
"""In the subject of a breakdown of one order alone, between whose it is and what was measured."""

Latencies = Mapping[str, float]


def time_chart(seconds: Mapping[str, Latencies]) -> str:
    """Draw a breakdown: seconds by subject and name. Return an empty string if no subject is of one order alone."""
    bars = {subject.partition(ALONE)[0]: steps for subject, steps in sorted(seconds.items()) if ALONE in subject}
    if not bars:
        return ""
    scale = (RIGHT - LEFT) / max(sum(steps.values()) for steps in bars.values())
    # The legend has one line for each position, with the names that the bars have there.
    names = [list(dict.fromkeys(filter(None, same_place))) for same_place in zip_longest(*bars.values())]
    height = TOP + STEP * len(bars) + LINE * len(names) + TOP
    drawn = [line for number, bar in enumerate(bars.items()) for line in _bar(*bar, TOP + STEP * number, scale)]
    begin = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{TITLE}"'
        ' font-family="system-ui, sans-serif" font-size="13">'
    )
    paper = f'<title>{TITLE}</title><rect width="100%" height="100%" fill="{PAPER}"/>'
    return "\n".join([begin, paper, *drawn, *_legend(names, TOP + STEP * len(bars)), "</svg>\n"])


def _bar(name: str, steps: Latencies, y: int, scale: float) -> Iterator[str]:
    yield _text(8, y + 20, name)
    x = float(LEFT)
    for (step, seconds), colour in zip(steps.items(), cycle(COLOURS), strict=False):
        width = seconds * scale
        label = f"{escape(step)}: {seconds * 1000:.1f} ms"
        yield (
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}">'
            f"<title>{label}</title></rect>"
        )
        if width > MIN_LABELLED:
            yield _text(x + width / 2, y + 20, f"{seconds * 1000:.0f}", f'fill="{PAPER}" text-anchor="middle"')
        x += width
    yield _text(x + 6, y + 20, f"{sum(steps.values()) * 1000:.0f} ms")


def _legend(names: list[list[str]], top: int) -> Iterator[str]:
    for number, (same_place, colour) in enumerate(zip(names, cycle(COLOURS), strict=False)):
        y = top + LINE * number
        yield f'<rect x="{LEFT}" y="{y}" width="14" height="14" fill="{colour}"/>'
        yield _text(LEFT + 22, y + 12, f"until {' / '.join(same_place)}")


def _text(x: float, y: float, text: str, style: str = f'fill="{INK}"') -> str:
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(text)}</text>'
