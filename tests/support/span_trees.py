"""Spans as an indented tree, which a test compares with one that it has written down."""

from collections.abc import Iterable

from comparison.span_receiver import ReceivedSpan


def tree_of(spans: Iterable[ReceivedSpan]) -> list[str]:
    """A line `name [process]` for each span, with its events, below its parent; siblings in the order of their begin.

    Siblings of the same name, of which one service's may overtake another's, stand in the order of the processes. A
    span whose parent is missing stands at the left.
    """
    spans = sorted(spans, key=lambda span: span.began)
    known = {span.span_id for span in spans}
    children: dict[str, list[ReceivedSpan]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    return list(_lines("", children, 0))


def _lines(parent: str, children: dict[str, list[ReceivedSpan]], depth: int) -> Iterable[str]:
    siblings = children.get(parent, [])
    first = {span.name: place for place, span in reversed(list(enumerate(siblings)))}
    for span in sorted(siblings, key=lambda span: (first[span.name], span.process)):
        said = f" ({', '.join(span.events)})" if span.events else ""
        yield f"{'  ' * depth}{span.name} [{span.process}]{said}"
        yield from _lines(span.span_id, children, depth + 1)
