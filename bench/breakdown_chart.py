"""Where the time of one order alone goes: a stacked bar for each style and each reference, in SVG."""

from collections.abc import Iterator, Mapping
from html import escape
from itertools import cycle, zip_longest

WIDTH, LEFT, RIGHT, TOP, BAR, STEP, LINE = 820, 156, 700, 14, 30, 44, 22
COLOURS = "#9aa5b1", "#2f4b9a", "#4f7cd6", "#1b7a6b", "#4fb39a", "#b06a16"
INK, PAPER = "#1c1c22", "#ffffff"
TITLE = "Where the time of one order goes"
NARROW = 14
OF_ONE = " alone: "
"""In the title of what was noted of one alone, behind whose it is."""

Legs = Mapping[str, float]


def time_chart(seconds: Mapping[str, Legs]) -> str:
    """Draw what a run of the bench noted: seconds by what they are about and by name. Empty if none is of one alone."""
    bars = {about.partition(OF_ONE)[0]: legs for about, legs in sorted(seconds.items()) if OF_ONE in about}
    if not bars:
        return ""
    scale = (RIGHT - LEFT) / max(sum(legs.values()) for legs in bars.values())
    names = [list(dict.fromkeys(filter(None, alike))) for alike in zip_longest(*bars.values())]
    height = TOP + STEP * len(bars) + LINE * len(names) + TOP
    drawn = [line for number, bar in enumerate(bars.items()) for line in _bar(*bar, TOP + STEP * number, scale)]
    begin = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{TITLE}"'
        ' font-family="system-ui, sans-serif" font-size="13">'
    )
    paper = f'<title>{TITLE}</title><rect width="100%" height="100%" fill="{PAPER}"/>'
    return "\n".join([begin, paper, *drawn, *_legend(names, TOP + STEP * len(bars)), "</svg>\n"])


def _bar(name: str, legs: Legs, y: int, scale: float) -> Iterator[str]:
    yield _text(8, y + 20, name)
    x = float(LEFT)
    for (leg, seconds), colour in zip(legs.items(), cycle(COLOURS), strict=False):
        width = seconds * scale
        said = f"{escape(leg)}: {seconds * 1000:.1f} ms"
        yield (
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"><title>{said}</title></rect>'
        )
        if width > NARROW:
            yield _text(x + width / 2, y + 20, f"{seconds * 1000:.0f}", f'fill="{PAPER}" text-anchor="middle"')
        x += width
    yield _text(x + 6, y + 20, f"{sum(legs.values()) * 1000:.0f} ms")


def _legend(names: list[list[str]], top: int) -> Iterator[str]:
    for number, (alike, colour) in enumerate(zip(names, cycle(COLOURS), strict=False)):
        y = top + LINE * number
        yield f'<rect x="{LEFT}" y="{y}" width="14" height="14" fill="{colour}"/>'
        yield _text(LEFT + 22, y + 12, f"until {' / '.join(alike)}")


def _text(x: float, y: float, words: str, style: str = f'fill="{INK}"') -> str:
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(words)}</text>'
