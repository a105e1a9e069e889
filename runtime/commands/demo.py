from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = Path(__file__).parents[2] / "examples"


def demo(
    orders: Annotated[
        Path, typer.Option(metavar="FILE", help="Orders, one JSON object a line, without a style.", exists=True)
    ] = EXAMPLES / "orders.jsonl",
    products: Annotated[
        Path, typer.Option(metavar="FILE", help="Products, one JSON object a line.", exists=True)
    ] = EXAMPLES / "products.jsonl",
    at_once: Annotated[int, typer.Option(min=1, max=256, help="Pairs in flight at a time.")] = 8,
) -> None:
    """Run the example orders both ways, show the outcomes side by side, audit the books, stop everything.

    It starts a stack of its own on free ports, so it disturbs none that is running.

    Exit code 1: an order ended otherwise than its scenario says, the styles disagree, or an invariant is broken.
    """
    from runtime.demo import run_demo

    if not run_demo(orders, products, at_once=at_once):
        raise typer.Exit(1)
