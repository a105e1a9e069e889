"""`twinsaga demo`: the example orders both ways, on a stack of its own."""

import asyncio
import json
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.client import Client

from comparison.scenarios import Body
from comparison.side_by_side import Ending, SideBySide, Unfinished, rows
from comparison.table import side_by_side_table
from domain.ids import OrderId
from domain.order import SagaStyle
from runtime.audit_printing import print_verdict
from runtime.child_stack import child_stack
from runtime.console import table_console
from runtime.errors import CannotRun
from runtime.settings import load_settings
from workflows.order_saga import workflow_id

PLAYERS = (
    *("temporal", "kafka", "redis", "api", "saga-worker"),
    *("order-service", "payment-service", "inventory-service", "shipping-service"),
)
"""What the two styles need, and nothing that would take the processor from one of them."""

HTTP_TIMEOUT_S = 30.0
RPC_TIMEOUT = timedelta(seconds=10)
LOOK_AGAIN_S = 0.2
AT_REST_S = 15.0
"""So long may effects take that follow the end of an order, such as counting pieces as sold."""


def run_demo(orders_file: Path, products_file: Path, *, at_once: int) -> bool:
    """Return whether every order ended as expected and the audit is clean."""
    orders, products = _read(orders_file), _read(products_file)
    console = table_console()
    with tempfile.TemporaryDirectory(prefix="twinsaga-demo-") as folder, ExitStack() as running:
        with console.status("starting Temporal, Kafka, Valkey and the services"):
            ready = running.enter_context(child_stack(load_settings(), Path(folder), *PLAYERS))
        endings, verdict = asyncio.run(_play(ready, orders, products, at_once, console))
        with console.status("stopping everything"):
            running.close()
    console.print(side_by_side_table(rows(endings)))
    wrong = [ending for ending in endings if not ending.as_expected]
    for ending in wrong:
        told = f"{ending.style} order {ending.order_id} ({ending.scenario.name}) ended {ending.status} {ending.reason}"
        console.print(f"[red]{told}[/red]")
    print_verdict(verdict, console)
    return not wrong and bool(verdict["ok"])


async def _play(
    ready: dict[str, Any], orders: list[Body], products: list[Body], at_once: int, console: Console
) -> tuple[list[Ending], dict[str, Any]]:
    temporal = await Client.connect(ready["temporal"])

    async def messages(style: SagaStyle, order_id: OrderId) -> int:
        if style is SagaStyle.ORCHESTRATED:
            described = await temporal.get_workflow_handle(workflow_id(order_id)).describe(rpc_timeout=RPC_TIMEOUT)
            return described.history_length
        return len((await client.get(f"/orders/{order_id}/timeline")).raise_for_status().json()["events"])

    async with httpx.AsyncClient(base_url=ready["api"], timeout=HTTP_TIMEOUT_S) as client:
        comparison = SideBySide(client, messages, in_flight=at_once)
        await comparison.stock({str(product["sku"]): _without_sku(product) for product in products})
        on_hand = {str(product["sku"]): int(str(product["on_hand"])) for product in products}
        with _progress(console) as progress:
            bar = progress.add_task("pairs", total=len(orders))
            try:
                endings = await comparison.play(orders, on_hand, lambda: progress.advance(bar))
            except* (Unfinished, httpx.HTTPError) as failures:
                raise CannotRun(str(failures.exceptions[0])) from failures
        return endings, await _audit_at_rest(client)


async def _audit_at_rest(client: httpx.AsyncClient) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    end = loop.time() + AT_REST_S
    while True:
        verdict: dict[str, Any] = (await client.get("/audit")).raise_for_status().json()
        if verdict["ok"] or loop.time() > end:
            return verdict
        await asyncio.sleep(LOOK_AGAIN_S)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("running both ways"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _without_sku(product: Body) -> Body:
    return {name: value for name, value in product.items() if name != "sku"}


def _read(file: Path) -> list[Body]:
    try:
        return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise CannotRun(f"{file} cannot be read as one JSON object a line: {error}") from error
