"""`twinsaga order`: places orders and shows them through the HTTP API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.api_client import Json
    from cli.order_file import Bodies

orders = typer.Typer(no_args_is_help=True, help="Place orders and show them, through the HTTP API.")

Api = Annotated[
    str | None, typer.Option("--api", metavar="URL", help="Address of the API; by default the one in the settings.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the response of the API as JSON.")]


@orders.command("place")
def place(  # noqa: PLR0913 - one argument an option
    *,
    file: Annotated[
        Path | None,
        typer.Option(help="Place many orders: a file with one JSON object per line.", exists=True, dir_okay=False),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="SKU:QUANTITY", help="Place one order: a SKU and its quantity. Repeatable."),
    ] = None,
    token: Annotated[str, typer.Option(help="With --line: the card token.")] = "tok_visa",  # noqa: S107 - a test card
    postal_code: Annotated[
        str, typer.Option(help="With --line: the postal code; 00000 is undeliverable.")
    ] = "01310-100",
    style: Annotated[
        str | None,
        typer.Option(help="orchestrated, choreographed or both. Replaces the style in the file.", metavar="STYLE"),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Place each order once, even if the same command runs again.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the orders are finished.")] = False,
    wait_seconds: Annotated[
        float, typer.Option(min=0.1, max=3600, help="With --wait: timeout per order, in seconds.")
    ] = 60.0,
    concurrency: Annotated[int, typer.Option("--at-once", min=1, max=64, help="Maximum concurrent requests.")] = 8,
    api: Api = None,
) -> None:
    """Place one order, or a file of them.

    Each line of a file is the body of POST /orders. An order without a style is placed in both styles. For a line that
    fails, the number and the reason are printed, and the other lines continue. Exit code 1 if a line failed or, with
    --wait, an order did not finish in time.

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
    succeeded = place_all(
        bodies,
        count_orders(file) if file else 1,
        api,
        style=style,
        once=once,
        concurrency=concurrency,
        wait_s=wait_seconds if wait else None,
    )
    raise typer.Exit(0 if succeeded else 1)


@orders.command("stock")
def stock(
    file: Annotated[
        Path,
        typer.Option(
            help="One JSON object per line: the body of PUT /products/SKU, with the sku.", exists=True, dir_okay=False
        ),
    ],
    api: Api = None,
) -> None:
    """Add the products of a file to the catalogue.

    Example: [bold]twinsaga order stock --file examples/products.jsonl[/bold]
    """
    from cli.order_printing import stock_products

    stock_products(file, api)


@orders.command("show")
def show(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")], *, as_json: AsJson = False, api: Api = None
) -> None:
    """Show one order: its status, its steps, the records of the four services, and its timeline.

    If the order needs an operator, it shows which compensation failed, since when, and with which error.
    """
    from cli.order_printing import print_order

    print_order(order_id, api, as_json=as_json)


@orders.command("repair")
def repair(order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")], *, api: Api = None) -> None:
    """Continue an unfinished order that nothing moves any more.

    Orchestrated: its workflow was terminated, has failed or is gone. A new one confirms the order if its shipment is
    scheduled, else undoes it. Choreographed: its events are published again.
    """
    from cli.order_printing import repair_order

    repair_order(order_id, api)


@orders.command("list")
def list_(  # noqa: PLR0913 - one argument an option
    *,
    style: Annotated[
        str | None, typer.Option(metavar="STYLE", help="Only this style: orchestrated or choreographed.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="Only this status: pending, confirmed, cancelled or needs_attention."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of orders.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="List all orders, without a limit.")] = False,
    cursor: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Continue a list: the cursor that it printed at its end.")
    ] = None,
    as_json: AsJson = False,
    api: Api = None,
) -> None:
    """List orders, newest first.

    If there are more orders than the limit, the cursor of the next page is printed to standard error.

    Example: [bold]twinsaga order list --status needs_attention[/bold]
    """
    from cli.order_printing import print_orders

    print_orders(api, style=style, status=status, limit=None if everything else limit, cursor=cursor, as_json=as_json)


def _order(lines: list[str], token: str, postal_code: str) -> "Json":
    """The body of an order. The API validates it."""
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
    sku, _, quantity = text.rpartition(":")
    if not sku or not quantity.isdecimal():
        raise typer.BadParameter(f"'{text}' is not SKU:QUANTITY", param_hint="--line")
    return {"sku": sku, "quantity": int(quantity)}
