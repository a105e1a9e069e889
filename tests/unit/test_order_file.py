"""A file of orders, line by line."""

import json
from pathlib import Path

import pytest

from api.body_limits import BODY_LIMIT
from cli.order_file import BadLine, OrderLine, count_orders, lines_of, orders_of, products_of
from comparison.scenarios import SCENARIOS
from services.intake.order_body import OrderPairBody
from tests.support.api_bodies import PRODUCT
from tests.support.scenarios import scenario_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.jsonl"


def keys(file: Path, run: str = "run") -> list[str]:
    return [line.key for line in lines_of(orders_of(file), style=None, run=run) if isinstance(line, OrderLine)]


def test_a_bad_line_is_reported_by_number_and_the_other_lines_continue(file: Path) -> None:
    long = json.dumps({"customer_id": "x" * BODY_LIMIT})
    file.write_text(f'{{"a": 1}}\n{{"a":\n\n[1]\n{long}\n{{"b": 2}}\n{{"a": NaN}}\n{{"a": "\\ud800"}}')

    lines = list(lines_of(orders_of(file), style=None, run="run"))

    assert [line for line in lines if isinstance(line, BadLine)] == [
        BadLine(number=2, reason="is not JSON"),
        BadLine(number=4, reason="is not a JSON object"),
        BadLine(number=5, reason=f"is longer than {BODY_LIMIT} bytes"),
        BadLine(number=7, reason="is not JSON"),
        BadLine(number=8, reason="is not JSON"),
    ]
    assert [(line.number, line.body) for line in lines if isinstance(line, OrderLine)] == [(1, {"a": 1}), (6, {"b": 2})]
    assert count_orders(file) == len(lines)


def test_the_same_run_gives_the_same_keys_although_a_line_is_inserted_before(file: Path) -> None:
    file.write_text('{"a": 1}\n{"b": 2}\n')
    before = keys(file)
    file.write_text('{"c": 3}\n{"a": 1}\n{"b": 2}\n')

    assert keys(file)[1:] == before


def test_another_run_gives_other_keys(file: Path) -> None:
    file.write_text('{"a": 1}\n')

    assert keys(file, "one") != keys(file, "two")


def test_equal_lines_are_several_orders(file: Path) -> None:
    file.write_text('{"a": 1}\n{"a": 1}\n')

    assert len(set(keys(file))) == 2


def test_a_key_is_not_longer_than_the_api_allows(file: Path) -> None:
    file.write_text('{"a": 1}\n')

    assert len(keys(file)[0]) < 255


@pytest.mark.parametrize(
    ("style", "placed"),
    [(None, {"style": "orchestrated"}), ("choreographed", {"style": "choreographed"}), ("both", {})],
)
def test_a_style_replaces_the_style_of_the_line(file: Path, style: str | None, placed: dict[str, str]) -> None:
    file.write_text('{"style": "orchestrated"}\n')

    (line,) = lines_of(orders_of(file), style=style, run="run")

    assert isinstance(line, OrderLine)
    assert line.body == placed


def test_the_examples_are_200_orders_that_the_api_accepts_and_play_every_scenario() -> None:
    examples = Path(__file__).parents[2] / "examples"
    products = [json.loads(line) for line in (examples / "products.jsonl").read_text().splitlines()]
    on_hand = {product["sku"]: product["on_hand"] for product in products}

    lines = list(lines_of(orders_of(examples / "orders.jsonl"), style=None, run="run"))

    bodies = [line.body for line in lines if isinstance(line, OrderLine)]
    assert len(bodies) == len(lines) == 200
    assert all(OrderPairBody.model_validate(body) for body in bodies)
    assert {scenario_of(body, on_hand).name for body in bodies} == set(SCENARIOS)


def test_products_are_read_by_their_sku(file: Path) -> None:
    file.write_text("\n\n".join(json.dumps({"sku": sku} | PRODUCT) for sku in ("A", "B")))

    assert products_of(file) == ({"A": PRODUCT, "B": PRODUCT}, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"sku": 5}', "sku: Input should be a valid string"),
        ('{"sku": ["A"]}', "sku: Input should be a valid string"),
        ('{"sku": null}', "sku: Input should be a valid string"),
        ('{"sku": "A/B"}', "sku: is '.' or '..', or contains a slash: it cannot be part of an address"),
        ('{"sku": "A", "on_hand": NaN}', "on_hand: Input should be a valid integer"),
        ("{}", "sku: Field required"),
        ("[1]", "Input should be an object"),
        ('"text"', "Input should be an object"),
        ("{", "Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ("[" * 3_000, "Invalid JSON: recursion limit exceeded"),
    ],
)
def test_a_product_that_is_wrong_is_named_by_its_line(file: Path, line: str, reason: str) -> None:
    file.write_text("\n".join([json.dumps({"sku": "A"} | PRODUCT), line]))

    _, (wrong,) = products_of(file)

    assert (wrong.number, reason in wrong.reason) == (2, True), wrong
