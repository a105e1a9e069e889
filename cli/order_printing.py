"""The output of `twinsaga order`. Results go to standard output, progress and errors to standard error."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote
from uuid import uuid4

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.api_client import ApiClient, ApiRefusal, Json
from cli.chosen_stack import api_key_for
from cli.order_file import Batch, Bodies, lines_of, products_of
from domain.money import Money
from runtime.console import progress_bar, table_console
from runtime.errors import CannotRun
from runtime.settings import load_settings

PAGE = 200
ERRORS_SHOWN = 20
T = TypeVar("T")
output = table_console()
errors = Console(stderr=True, highlight=False)


def place_all(  # noqa: PLR0913 - one argument per option of the command
    bodies: Bodies,
    total: int,
    api: str | None,
    *,
    style: str | None,
    once: bool,
    concurrency: int,
    wait_s: float | None,
) -> bool:
    """Return whether every order was placed and, with `wait_s`, finished in time."""
    with progress_bar(errors, "placing") as progress:
        bar = progress.add_task("orders", total=total)
        batch = Batch(
            lines=lines_of(bodies, style=style, run="once" if once else uuid4().hex[:12]),
            concurrency=concurrency,
            wait_s=wait_s,
            on_error=lambda number, reason: errors.print(f"[red]line {number}:[/red] {escape(reason)}", soft_wrap=True),
            on_placed=lambda order_id: output.print(order_id) if total == 1 else None,
            on_progress=lambda: progress.advance(bar),
        )
        tally = _with_client(api, batch.place, concurrency=concurrency)
    ends = sorted(tally.ends.items()) + [("unfinished", tally.unfinished)] * bool(tally.unfinished)
    output.print(f"orders: {', '.join(f'{count} {end}' for end, count in ends) or 'none'}")
    output.print(f"failed lines: {tally.failed}")
    return not (tally.failed or tally.unfinished)


def stock_products(file: Path, api: str | None) -> None:
    """Stock all products of the file, or none if one of its lines is wrong."""
    products, wrong = products_of(file)
    if wrong:
        raise CannotRun("\n".join(f"{file}, line {line.number}: {line.reason}" for line in wrong[:ERRORS_SHOWN]))

    async def put_all(client: ApiClient) -> None:
        for sku, body in products.items():
            await client.put(f"/products/{quote(sku, safe='')}", body)

    _with_client(api, put_all)
    output.print(f"{len(products)} products stocked")


def print_order(order_id: str, api: str | None, *, as_json: bool) -> None:
    async def get_both(client: ApiClient) -> tuple[Json, Json]:
        path = f"/orders/{quote(order_id, safe='')}"
        return await client.get(path), await client.get(f"{path}/timeline")

    order, timeline = _with_client(api, get_both)
    if as_json:
        output.print_json(data=order | timeline)
        return
    output.print(_summary(order))
    output.print(_table("steps", order["steps"], ("name", "status", "attempts", "at")))
    output.print(_table("events", timeline["events"], ("at", "service", "type")))


def repair_order(order_id: str, api: str | None) -> None:
    _with_client(api, lambda client: client.ask(f"/orders/{quote(order_id, safe='')}/repair"))
    output.print(f"repair of order {order_id} requested")


def print_orders(
    api: str | None, *, style: str | None, status: str | None, limit: int | None, cursor: str | None, as_json: bool
) -> None:
    """`limit` None: all orders."""
    filters = {name: value for name, value in (("style", style), ("status", status)) if value}

    async def get_pages(client: ApiClient) -> tuple[list[Json], str | None]:
        found: list[Json] = []
        following = cursor
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            paging = {"limit": str(size)} | ({"cursor": following} if following else {})
            page = await client.get("/orders", filters | paging)
            found += page["items"]
            following = page["next_cursor"]
            if following is None:
                break
        return found, following

    found, following = _with_client(api, get_pages)
    if as_json:
        output.print_json(data=found)
    else:
        _print_list(found)
    if following is not None:
        more = f"There are more orders. Use --limit or --all, or continue with --cursor {following}"
        errors.print(more, soft_wrap=True, markup=False)


def _print_list(found: list[Json]) -> None:
    columns = ("order_id", "style", "status", "reason", "placed_at")
    rows = [order | {"attention": _attention(order)} for order in found]
    # The column takes much width, so it is shown only when an order needs it.
    output.print(_table("orders", rows, (*columns, "attention") if any(row["attention"] for row in rows) else columns))


def _with_client(api: str | None, work: Callable[[ApiClient], Awaitable[T]], *, concurrency: int = 1) -> T:
    """Raises CannotRun with the text of the API's problem."""
    settings = load_settings()
    host = "127.0.0.1" if settings.api_host in {"0.0.0.0", "::"} else settings.api_host  # noqa: S104 - compared, not bound

    address = api or f"http://{host}:{settings.api_port}"

    async def run() -> T:
        async with ApiClient(address, api_key_for(address, settings), concurrency=concurrency) as client:
            await client.check()
            return await work(client)

    try:
        return asyncio.run(run())
    except ApiRefusal as refusal:
        raise CannotRun(str(refusal)) from None


def _summary(order: Json) -> str:
    total = order["total"]
    lines = {
        "order": order["order_id"],
        "style": order["style"],
        "status": order["status"] + (f" ({order['reason']})" if order["reason"] else ""),
        "attention": _attention(order) or "not needed",
        "total": str(Money(**total)) if total else "not priced",
        "payment": _payment(order["payment"], total),
        "inventory": order["inventory"]["status"],
        "shipping": " ".join(filter(None, order["shipping"].values())),
        "placed": order["placed_at"],
        "finished": order["finished_at"] or "not yet",
    }
    return "\n".join(f"[bold]{name:10}[/bold] {escape(value)}" for name, value in lines.items())


def _payment(payment: Json, total: Json | None) -> str:
    if total is None:  # without a price nothing was charged
        return str(payment["status"])
    captured, refunded = (Money(amount=payment[what], currency=total["currency"]) for what in ("captured", "refunded"))
    return f"{payment['status']}, captured {captured}, refunded {refunded}"


def _attention(order: Json) -> str:
    """Why an operator is needed, or nothing."""
    if order["attention"] is None:
        return ""
    return "{step} fails since {since}: {error}".format(**order["attention"])


def _table(title: str, rows: list[Json], columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in {"order_id", "style"}, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(column, row[column])) for column in columns))
    return table


def _cell(column: str, value: object) -> str:
    """Shorten times to milliseconds, without the T and the Z."""
    text = "" if value is None else str(value)
    return text[:23].replace("T", " ") if column == "at" or column.endswith("_at") else text
