"""The OpenAPI document says what is true: the formats of problems, the limits of strings, the methods of a path."""

from typing import Any

import httpx2 as httpx
import pytest
from jsonschema import Draft202012Validator

from tests.support.api_bodies import ORDER, PRODUCT, Json, changed

PROBLEM = "application/problem+json"
USER: Json = {"name": "Ana", "email": "ana@example.com"}
SETTLEMENT: Json = {"order_id": "0b1f5e9a-3f0e-4d5e-9f6b-111111111111", "status": "settled"}
REQUESTS: dict[str, tuple[str, str, Json]] = {
    "OrderBody": ("POST", "/orders", ORDER),
    "ProductBody": ("PUT", "/products/COFFEE", PRODUCT),
    "UserBody": ("POST", "/users", USER),
    "SettlementBody": ("POST", "/webhooks/payments", SETTLEMENT),
}
STRINGS = [
    *("", " ", "\t", "a", "a b", "Ação", "日本", "a\x00b", "a\nb", "a\x7fb", "a\x85b", "\x01", " a", "a "),
    *("a/b", ".", "..", "...", "x" * 20, "x" * 21, "x" * 64, "x" * 65, "x" * 100, "x" * 101, "x" * 200, "x" * 201),
    *("BR", "BRL", "brl", "XYZ", "orchestrated", "both", "card", "pix", "tok_visa", "settled"),
    *("a@b", "a@b.c", "a@.b", "a@b.", "@b", "a@", "a@b@c", "a b@c", "a,b@c", "ã@b.c", "a" * 65 + "@b.c"),
]
FIELDS = [
    ("OrderBody", "customer_id"),
    ("OrderBody", "lines.0.sku"),
    ("OrderBody", "payment.method"),
    ("OrderBody", "payment.token"),
    ("OrderBody", "shipping_address.recipient"),
    ("OrderBody", "shipping_address.postal_code"),
    ("OrderBody", "shipping_address.country"),
    ("OrderBody", "style"),
    ("ProductBody", "name"),
    ("ProductBody", "unit_price.currency"),
    ("UserBody", "name"),
    ("UserBody", "email"),
    ("SettlementBody", "order_id"),
    ("SettlementBody", "status"),
]


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Json:
    found: Json = (await client.get("/openapi.json")).json()
    return found


def operations(document: Json) -> list[tuple[str, str, Json]]:
    return [(method.upper(), path, each) for path, ops in document["paths"].items() for method, each in ops.items()]


async def test_every_error_is_documented_as_a_problem(document: Json) -> None:
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            is_readiness = (path, status) == ("/readyz", "503")
            if status == "default" or (int(status) >= 400 and not is_readiness):
                assert list(answer["content"]) == [PROBLEM], (method, path, status)
        assert "default" in operation["responses"], (method, path)
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_every_write_documents_that_its_origin_or_its_body_may_be_refused(
    client: httpx.AsyncClient, document: Json
) -> None:
    for method, path, operation in operations(document):
        if method == "GET":
            continue
        address = path.replace("{", "").replace("}", "")
        foreign = await client.request(method, address, headers={"Origin": "http://elsewhere.test"})
        large = await client.request(method, address, headers={"Content-Length": "99999999999"})
        assert (foreign.status_code, large.status_code) == (403, 413)
        assert {"403", "408", "413"} <= operation["responses"].keys(), (method, path)


@pytest.mark.parametrize(("schema", "field"), FIELDS)
async def test_a_string_is_accepted_if_the_document_allows_it(
    client: httpx.AsyncClient, document: Json, schema: str, field: str
) -> None:
    method, path, body = REQUESTS[schema]
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": document["components"]})
    for text in STRINGS:
        value = changed(body, field, text)

        # One more field, which is refused, so that nothing is written and all errors are listed.
        problem = (await client.request(method, path, json=value | {"extra": 1})).json()

        refused = {error["field"] for error in problem["errors"]} - {"extra"}
        assert (not refused) == validator.is_valid(value), (text, problem)


@pytest.mark.parametrize("sku", [text for text in STRINGS if text and "/" not in text])
async def test_a_sku_in_a_path_is_accepted_if_the_document_allows_it(
    client: httpx.AsyncClient, document: Json, sku: str
) -> None:
    schema: dict[str, Any] = document["paths"]["/products/{sku}"]["put"]["parameters"][0]["schema"]

    escaped = "".join(f"%{byte:02X}" for byte in sku.encode())  # a client would resolve `.` and `..` itself
    answer = await client.put(f"/products/{escaped}", json=PRODUCT)

    assert (answer.status_code == 200) == Draft202012Validator(schema).is_valid(sku), answer.text
    assert answer.status_code in {200, 422}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/orders", "GET, HEAD, POST, OPTIONS"),
        ("/order-pairs", "POST, OPTIONS"),
        ("/products/COFFEE", "GET, HEAD, PUT, OPTIONS"),
        ("/orders/0b1f5e9a-3f0e-4d5e-9f6b-111111111111/cancel", "POST, OPTIONS"),
        ("/users", "POST, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/static/page.js", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_405_names_all_methods_of_the_path(client: httpx.AsyncClient, path: str, methods: str) -> None:
    answer = await client.delete(path)

    assert (answer.status_code, answer.headers["content-type"]) == (405, PROBLEM)
    assert answer.headers["Allow"] == methods
    options = await client.options(path)
    assert (options.status_code, options.headers["Allow"], options.content) == (204, methods, b"")


async def test_head_is_answered_as_get_without_the_body(client: httpx.AsyncClient) -> None:
    order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]
    (await client.put("/products/COFFEE", json=PRODUCT)).raise_for_status()
    paths = ["/", "/orders", f"/orders/{order_id}", f"/orders/{order_id}/timeline", "/products/COFFEE", "/products/TEA"]
    paths += ["/healthz", "/metrics", "/static/page.js", "/nowhere", "/orders?limit=0", "/openapi.json"]
    for path in paths:
        get, head = await client.get(path), await client.head(path)

        assert (head.status_code, head.content) == (get.status_code, b""), path
        if path != "/metrics":  # its figures change with each request
            assert head.headers["content-length"] == get.headers["content-length"]
            assert head.headers["content-type"] == get.headers["content-type"]
    assert (await client.head("/order-pairs")).status_code == 405


async def test_head_of_a_stream_ends_at_once(client: httpx.AsyncClient) -> None:
    order_id = (await client.post("/orders", json=ORDER)).json()["order_id"]

    head = await client.head(f"/orders/{order_id}/timeline", headers={"Accept": "text/event-stream"})

    assert (head.status_code, head.content) == (200, b"")


async def test_the_metrics_count_head_under_its_route(client: httpx.AsyncClient) -> None:
    await client.head("/products/TEA")

    counted = (await client.get("/metrics")).text

    assert 'twinsaga_http_requests_total{method="HEAD",route="/products/{sku}",status="404"} 1.0' in counted
