"""`twinsaga order`: a customer of the HTTP API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # see runtime.commands
    from cli.order_file import Bodies, Json

orders = typer.Typer(no_args_is_help=True, help="Place orders and look at them, through the HTTP API.")

Api = Annotated[
    str | None, typer.Option("--api", metavar="URL", help="Where the API is, if not where the settings say.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answered.")]


@orders.command("place")
def place(  # noqa: PLR0913 - one argument an option
    *,
    file: Annotated[
        Path | None, typer.Option(help="Many orders: one a line, as JSON.", exists=True, dir_okay=False)
    ] = None,
    line: Annotated[
        list[str] | None, typer.Option(metavar="SKU:PIECES", help="One order: a line of it. May come again.")
    ] = None,
    token: Annotated[str, typer.Option(help="One order: the card.")] = "tok_visa",  # noqa: S107 - a test card
    postal_code: Annotated[str, typer.Option(help="One order: where to; 00000 is undeliverable.")] = "01310-100",
    style: Annotated[
        str | None,
        typer.Option(help="orchestrated, choreographed or both, whatever the file says.", metavar="STYLE"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Running the same again places nothing twice.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the orders are finished.")] = False,
    wait_seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="So long for each order.")] = 60.0,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="So many calls at a time.")] = 8,
    api: Api = None,
) -> None:
    """Place one order, or a file of them.

    Each line of a file is the body of POST /orders; an order without a style is placed both ways. A line that fails is
    told by number and reason, and the others go on. The exit code is 1 if any failed, or with --wait did not finish.

    Example: [bold]twinsaga order place --line COFFEE-500G:2 --style orchestrated --wait[/bold]

    Example: [bold]twinsaga order place --file examples/orders.jsonl --once --wait[/bold]
    """
    from cli.order_file import count_orders, orders_of
    from cli.order_printing import place_all

    if style not in {None, "orchestrated", "choreographed", "both"}:
        raise typer.BadParameter("choose orchestrated, choreographed or both", param_hint="--style")
    if (file is None) == (not line):
        raise typer.BadParameter("give either --file or --line", param_hint="--file, --line")
    bodies: Bodies = orders_of(file) if file else [(1, _order(line or [], token, postal_code))]
    clean = place_all(
        bodies,
        count_orders(file) if file else 1,
        api,
        style=style,
        once=once,
        at_once=at_once,
        wait_s=wait_seconds if wait else None,
    )
    raise typer.Exit(0 if clean else 1)


@orders.command("stock")
def stock(
    file: Annotated[Path, typer.Option(help="One product a line: PUT /products, with its sku.", exists=True)],
    api: Api = None,
) -> None:
    """Stock the catalogue from a file.

    Example: [bold]twinsaga order stock --file examples/products.jsonl[/bold]
    """
    from cli.order_printing import stock_products

    stock_products(file, api)


@orders.command("show")
def show(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")], *, as_json: AsJson = False, api: Api = None
) -> None:
    """Show one order: its steps, what the four services hold of it, and its timeline."""
    from cli.order_printing import print_order

    print_order(order_id, api, as_json=as_json)


@orders.command("list")
def list_(
    *,
    style: Annotated[str | None, typer.Option(metavar="STYLE", help="orchestrated or choreographed")] = None,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="pending, confirmed, cancelled or needs_attention")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 50,
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """List orders, the newest first."""
    from cli.order_printing import print_orders

    print_orders(api, style=style, status=status, limit=limit, as_json=as_json)


def _order(lines: list[str], token: str, postal_code: str) -> "Json":
    """Make the body of an order. What is wrong with it is for the API to say."""
    return {
        "customer_id": "customer-at-the-command-line",
        "lines": [_line(text) for text in lines],
        "payment": {"method": "card", "token": token},
        "shipping_address": {
            "recipient": "Ana Souza",
            "street": "Avenida Paulista 1000",
            "city": "São Paulo",
            "postal_code": postal_code,
            "country": "BR",
        },
    }


def _line(text: str) -> "Json":
    sku, _, pieces = text.rpartition(":")
    if not sku or not pieces.isdecimal():
        raise typer.BadParameter(f"'{text}' is not SKU:PIECES", param_hint="--line")
    return {"sku": sku, "quantity": int(pieces)}
