"""`twinsaga up --encrypt-payloads`: orders end as ever, and Temporal stores nothing that it can read."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.payload_codec import ENCRYPTED
from tests.support.api_bodies import PAIR, PRODUCT
from tests.support.payload_encryption import payloads_in
from tests.support.shop import Shop
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.embedded("reads the database file of Temporal, and starts its UI")]

NEEDED = "temporal,kafka,redis,api,saga-worker,order-service,payment-service,inventory-service,shipping-service"
PERSONAL = [text.encode() for text in ("Ana Souza", "Avenida Paulista", "São Paulo", "01310-100", "tok_visa", "COFFEE")]
"""The last one stands for what was ordered: it is not sealed for one service, as the others are."""


@pytest.fixture(scope="module")
def encrypted_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("encrypted")
    with running_stack(folder, "--only", f"{NEEDED},kafka-bridge", "--encrypt-payloads") as stack:
        yield stack


@pytest.fixture(scope="module")
def order_ids(encrypted_stack: Stack) -> dict[str, str]:
    """A confirmed order of each style."""
    with encrypted_stack.client() as client:
        shop = Shop(client)
        shop.stock({"COFFEE": PRODUCT})
        placed = {style: shop.place(PAIR, style) for style in ("orchestrated", "choreographed")}
        assert {shop.await_end(order_id)["status"] for order_id in placed.values()} == {"confirmed"}
        shop.assert_books_right()
    return placed


async def stored_payloads(stack: Stack, workflow_id: str) -> list[Payload]:
    client = await Client.connect(stack.ready["temporal"])
    handle = client.get_workflow_handle(workflow_id)
    return [payload async for event in handle.fetch_history_events() for payload in payloads_in(event)]


@pytest.fixture(scope="module")
def stored(encrypted_stack: Stack, order_ids: dict[str, str]) -> list[Payload]:
    return asyncio.run(stored_payloads(encrypted_stack, f"order-saga/{order_ids['orchestrated']}"))


def decode(stack: Stack, payloads: list[Payload], headers: dict[str, str]) -> httpx.Response:
    body = json_format.MessageToJson(Payloads(payloads=payloads))
    address = f"{stack.ready['codec_server']}/decode"
    return httpx.post(address, content=body, headers={"X-Namespace": "default", **headers}, timeout=20)


def token_of(stack: Stack) -> str:
    return Path(stack.ready["codec_token_file"]).read_text().strip()


def test_histories_of_both_styles_are_encrypted(encrypted_stack: Stack, order_ids: dict[str, str]) -> None:
    for workflow in (f"order-saga/{order_ids['orchestrated']}", f"choreography-witness/{order_ids['choreographed']}"):

        def look(workflow_id: str = workflow) -> list[Payload] | None:
            try:
                return asyncio.run(stored_payloads(encrypted_stack, workflow_id))
            except RPCError:  # the witness may begin after the order's end
                return None

        payloads = eventually(look, f"{workflow} has a history")
        assert {payload.metadata["encoding"] for payload in payloads} == {ENCRYPTED}


def test_the_database_of_temporal_holds_no_name_address_or_token(
    encrypted_stack: Stack, order_ids: dict[str, str]
) -> None:
    files = [*encrypted_stack.data.glob("temporal.db*"), encrypted_stack.data / "logs" / "temporal.log"]
    content = b"".join(file.read_bytes() for file in files)

    assert order_ids["orchestrated"].encode() in content
    assert [text for text in PERSONAL if text in content] == []


def test_the_codec_server_decodes_for_those_who_have_its_token(encrypted_stack: Stack, stored: list[Payload]) -> None:
    bearer = {"Authorization": f"Bearer {token_of(encrypted_stack)}"}

    answer = decode(encrypted_stack, stored[:1], {**bearer, "Origin": encrypted_stack.ready["temporal_ui"]})

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == encrypted_stack.ready["temporal_ui"]
    [request] = json_format.Parse(answer.text, Payloads()).payloads
    assert b"COFFEE" in request.data


def test_the_codec_server_decodes_for_nobody_else(encrypted_stack: Stack, stored: list[Payload]) -> None:
    bearer = {"Authorization": f"Bearer {token_of(encrypted_stack)}"}

    assert decode(encrypted_stack, stored, {}).status_code == 401
    assert decode(encrypted_stack, stored, {"Authorization": "Bearer wrong"}).status_code == 401
    foreign = decode(encrypted_stack, stored, {**bearer, "Origin": encrypted_stack.ready["api"]})
    assert not [name for name in foreign.headers if name.startswith("access-control")]
    assert foreign.status_code == 403
