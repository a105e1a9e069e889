"""Invalid input is refused with the name of its field, before anything is written."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx2 as httpx
import pytest

from api.cursors import encode_cursor
from services.intake.order_body import InvalidOrder, read_order
from tests.support.api_bodies import MISSING, ORDER, PAIR, PRODUCT, changed
from tests.support.api_rig import Rig

LINE = {"sku": "COFFEE", "quantity": 1}
UNKNOWN = "0b1f5e9a-3f0e-4d5e-9f6b-111111111111"


def fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert all(error["message"] for error in problem["errors"])
    return [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("lines.0.quantity", 0, "lines.0.quantity"),
        ("lines.0.quantity", 10_001, "lines.0.quantity"),
        ("lines.0.quantity", 1.5, "lines.0.quantity"),
        ("lines.0.quantity", "1", "lines.0.quantity"),
        ("lines.0.quantity", True, "lines.0.quantity"),
        ("lines.0.sku", "", "lines.0.sku"),
        ("lines.0.sku", "x" * 65, "lines.0.sku"),
        ("lines.0.sku", "a\u0000b", "lines.0.sku"),
        ("lines.0.sku", "a/b", "lines.0.sku"),
        ("lines.0.unit_price", {"amount": 1, "currency": "BRL"}, "lines.0.unit_price"),
        ("lines", [], "lines"),
        ("lines", [LINE, LINE], "lines"),
        ("lines", [{"sku": f"S{number}", "quantity": 1} for number in range(101)], "lines"),
        ("payment.token", "tok_unknown", "payment.token"),
        ("payment.token", MISSING, "payment.token"),
        ("payment.method", "cash", "payment.method"),
        ("payment.method", MISSING, "payment.method"),
        ("payment.extra", 1, "payment.extra"),
        ("payment", {"method": "pix", "token": "tok_visa"}, "payment.token"),
        ("payment", MISSING, "payment"),
        ("shipping_address", MISSING, "shipping_address"),
        ("shipping_address.recipient", MISSING, "shipping_address.recipient"),
        ("shipping_address.street", "  ", "shipping_address.street"),
        ("shipping_address.city", "x" * 201, "shipping_address.city"),
        ("shipping_address.postal_code", "", "shipping_address.postal_code"),
        ("shipping_address.country", "Brazil", "shipping_address.country"),
        ("customer_id", MISSING, "customer_id"),
        ("customer_id", None, "customer_id"),
        ("customer_id", "x" * 101, "customer_id"),
        ("style", "both", "style"),
        ("style", MISSING, "style"),
        ("total", {"amount": 1, "currency": "BRL"}, "total"),
    ],
)
async def test_an_order_names_the_field_that_is_wrong(
    client: httpx.AsyncClient, path: str, value: object, field: str
) -> None:
    answer = await client.post("/orders", json=changed(ORDER, path, value))

    assert fields(answer) == [field]
    assert (await client.get("/orders")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("unit_price.amount", -1, "unit_price.amount"),
        ("unit_price.amount", 10**30, "unit_price.amount"),
        ("unit_price.currency", "XYZ", "unit_price.currency"),
        ("unit_price.currency", "brl", "unit_price.currency"),
        ("unit_price", MISSING, "unit_price"),
        ("on_hand", -1, "on_hand"),
        ("on_hand", 10**9 + 1, "on_hand"),
        ("name", "", "name"),
        ("sku", "OTHER", "sku"),
    ],
)
async def test_a_product_names_the_field_that_is_wrong(
    client: httpx.AsyncClient, path: str, value: object, field: str
) -> None:
    answer = await client.put("/products/COFFEE", json=changed(PRODUCT, path, value))

    assert fields(answer) == [field]
    assert (await client.get("/products/COFFEE")).status_code == 404


async def test_a_pair_takes_no_style(client: httpx.AsyncClient) -> None:
    assert fields(await client.post("/order-pairs", json=ORDER)) == ["style"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b"9" * 6_000, b"[]", b"null", b'"text"'], ids=range(8)
)
async def test_a_body_that_is_not_a_json_object_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/orders", content=content, headers={"Content-Type": "application/json"})

    assert fields(answer) == ["body"]


async def test_half_of_a_surrogate_pair_is_refused(client: httpx.AsyncClient) -> None:
    content = b'{"customer_id": "\\ud800"}'

    answer = await client.post("/orders", content=content, headers={"Content-Type": "application/json"})

    assert "customer_id" in fields(answer)


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
async def test_an_idempotency_key_has_1_to_255_characters_and_no_control_character(
    client: httpx.AsyncClient, key: str
) -> None:
    answer = await client.post("/orders", json=ORDER, headers={"Idempotency-Key": key})

    assert fields(answer) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=nonsense", "cursor"),
        ("cursor=%00", "cursor"),
        (f"cursor={encode_cursor('2026-01-01T00:00:00+00:00')}", "cursor"),
        (f"cursor={encode_cursor('2026-01-01T00:00:00+00:00', 'not an id')}", "cursor"),
        (f"cursor={encode_cursor('0001-01-01T00:00:00+14:00', UNKNOWN)}", "cursor"),
        (f"cursor={encode_cursor('9999-12-31T23:59:59-14:00', UNKNOWN)}", "cursor"),
        (f"cursor={encode_cursor('0000-01-01T00:00:00+00:00', UNKNOWN)}", "cursor"),
        (f"cursor={encode_cursor('2026-01-01T00:00:00+00:00', UNKNOWN + chr(0))}", "cursor"),
        ("style=both", "style"),
        ("limit=0", "limit"),
    ],
)
async def test_a_list_names_the_parameter_that_is_wrong(client: httpx.AsyncClient, query: str, field: str) -> None:
    assert fields(await client.get(f"/orders?{query}")) == [field]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
async def test_the_first_and_the_last_year_are_in_the_range_of_a_cursor(client: httpx.AsyncClient, at: str) -> None:
    (await client.post("/orders", json=ORDER)).raise_for_status()

    answer = await client.get(f"/orders?cursor={encode_cursor(at, UNKNOWN)}")

    assert (answer.status_code, len(answer.json()["items"])) == (200, int(at > "2026"))


@pytest.mark.parametrize("until_ms", ["-1", "9" * 16, "9" * 400, "1e3", "\u0661"])
async def test_a_cursor_of_dead_letters_names_a_time(client: httpx.AsyncClient, until_ms: str) -> None:
    assert fields(await client.get(f"/dead-letters?cursor={encode_cursor(until_ms, 'orders.dlq/0/1')}")) == ["cursor"]


LOOK_ALIKE = {
    "space before": " MUG",
    "space after": "MUG ",
    "no-break space": "MUG\u00a01",
    "ideographic space": "MUG\u30001",
    "blank Braille pattern": "MUG\u2800",
    "zero-width space": "MUG\u200b",
    "zero-width joiner": "M\u200dUG",
    "word joiner": "M\u2060UG",
    "soft hyphen": "M\u00adUG",
    "byte order mark": "\ufeffMUG",
    "right-to-left mark": "MUG\u200f",
    "grapheme joiner": "M\u034fUG",
    "variation selector": "MUG\ufe0f",
    "variation selector of plane 14": "MUG\U000e0100",
    "Hangul filler": "MUG\u3164",
    "line separator": "MUG\u2028",
    "private use": "MUG\ue000",
    "decomposed": "CAF\u0045\u0301",
    "Angstrom sign": "10 \u212b",
    "dot": ".",
    "two dots": "..",
}


@pytest.mark.parametrize("sku", LOOK_ALIKE.values(), ids=LOOK_ALIKE.keys())
async def test_a_sku_that_looks_like_another_one_is_refused_wherever_it_comes_in(
    client: httpx.AsyncClient, sku: str
) -> None:
    in_path = "".join(f"%{byte:02X}" for byte in sku.encode())

    assert fields(await client.post("/orders", json=changed(ORDER, "lines.0.sku", sku))) == ["lines.0.sku"]
    assert fields(await client.post("/order-pairs", json=changed(PAIR, "lines.0.sku", sku))) == ["lines.0.sku"]
    assert fields(await client.put(f"/products/{in_path}", json=PRODUCT)) == ["sku"]
    with pytest.raises(InvalidOrder, match=r"lines\.0\.sku"):
        read_order(changed(PAIR, "lines.0.sku", sku))  # by Kafka or Celery


@pytest.mark.parametrize("sku", ["CAFÉ-1", "日本", "A B", "Ω", "...", "MUG+LID", "50%", "a\\b"])
async def test_a_sku_may_have_letters_of_any_language(client: httpx.AsyncClient, sku: str) -> None:
    stocked = await client.put(f"/products/{quote(sku, safe='')}", json=PRODUCT)

    assert (stocked.status_code, stocked.json().get("sku")) == (200, sku)
    assert (await client.post("/orders", json=changed(ORDER, "lines.0.sku", sku))).status_code == 202


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1024):
        yield b" " * 1024


@pytest.mark.parametrize("path", ["/orders", "/order-pairs"])
async def test_a_body_over_64_kib_is_refused_with_and_without_content_length(
    client: httpx.AsyncClient, path: str
) -> None:
    announced = await client.post(path, content=b" " * (64 * 1024 + 1))
    chunked = await client.post(path, content=chunks(80 * 1024))

    assert [announced.status_code, chunked.status_code] == [413, 413]
    assert announced.headers["content-type"] == "application/problem+json"


async def test_a_request_with_a_body_over_64_kib_changes_nothing(rig: Rig, client: httpx.AsyncClient) -> None:
    order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]

    refused = await client.post(f"/orders/{order_id}/cancel", content=b" " * (64 * 1024 + 1))

    assert (refused.status_code, refused.headers["content-type"]) == (413, "application/problem+json")
    assert [event_type for _, event_type in rig.outbox()] == ["order.requested"]


async def test_a_body_of_64_kib_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/order-pairs", content=b" " * (64 * 1024), headers={"Content-Type": "application/json"})

    assert fields(answer) == ["body"]


@pytest.mark.parametrize(
    "path", ["/orders/nonsense", "/orders/0b1f5e9a-3f0e-4d5e-9f6b-111111111111", "/products/NOTHING", "/nowhere"]
)
async def test_an_unknown_resource_is_a_404_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


HOSTILE_IDS = ("%00", f"{UNKNOWN}%00", "%0A", "%ED%A0%80", "%FF", "a%2Fb", "x" * 5_000, UNKNOWN.upper(), "1" * 5_000)


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
async def test_no_path_and_no_query_takes_an_id_that_a_database_refuses(rig: Rig, hostile: str) -> None:
    # On SQLite a query for such an id finds nothing. PostgreSQL refuses the query itself, so there must be none.
    rig.lose_databases()
    async with rig.client(raise_app_exceptions=False) as client:
        reads = [f"/users/{hostile}", f"/videos/{hostile}", f"/orders/{hostile}", f"/orders/{hostile}/timeline"]
        writes = [f"/videos/{hostile}/cancel", f"/orders/{hostile}/cancel", f"/orders/{hostile}/compensation/retry"]
        answers = [await client.get(path) for path in [*reads, f"/dead-letters/{hostile}/0/0"]]
        answers += [await client.post(path) for path in writes]

    assert {answer.status_code for answer in answers} == {404}


@pytest.mark.parametrize("parameter", ["cursor", "topic", "group", "order_id"])
async def test_a_control_character_in_a_query_of_dead_letters_is_refused(
    client: httpx.AsyncClient, parameter: str
) -> None:
    assert fields(await client.get(f"/dead-letters?{parameter}=a%00b")) == [parameter]


@pytest.mark.parametrize("order_id", ["", " ", "a\u0000b", "a\nb", "x" * 256, "ü" * 128])
async def test_a_settlement_names_an_id_that_no_topic_takes(rig: Rig, order_id: str) -> None:
    async with rig.client() as client:
        answer = await client.post("/webhooks/payments", json={"order_id": order_id, "status": "settled"})

    assert fields(answer) == ["order_id"]
    assert rig.settlements.announced == []


async def test_a_timeline_of_an_unknown_order_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/orders/0b1f5e9a-3f0e-4d5e-9f6b-111111111111/timeline")

    assert answer.status_code == 404


async def test_an_unsupported_method_is_a_405_problem(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/orders")

    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_limits_themselves_are_accepted(client: httpx.AsyncClient) -> None:
    lines = [{"sku": f"S{number}", "quantity": 10_000} for number in range(100)]

    answer = await client.post("/orders", json=changed(ORDER, "lines", lines), headers={"Idempotency-Key": "k" * 255})

    assert answer.status_code == 202, answer.text
