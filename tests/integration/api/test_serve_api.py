"""`twinsaga serve api` as a process, without Temporal, Kafka and Redis."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from adapters.clock import utc_now
from domain.commands import ChargePayment, CreateOrder
from domain.events import OrderCreated
from domain.ids import OrderId
from embedded.ports import PortReservations
from runtime.api_keys import open_api_keys
from runtime.sealing import seals
from runtime.settings import Settings
from runtime.wiring import Databases, services_over
from services.access.keys import NewKey, Role
from tests.support.api_bodies import ORDER, PAIR, PRODUCT, Json, changed
from tests.support.callers import KnownCaller
from tests.support.service_databases import migrated_files
from tests.support.stack import TWINSAGA
from tests.support.waiting import eventually

SECRET = "whsec_of_the_tests"


@dataclass(frozen=True, slots=True)
class Api:
    url: str
    process: "subprocess.Popen[bytes]"
    environment: dict[str, str]
    caller: KnownCaller

    def twinsaga(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - our own program
            [str(TWINSAGA), *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running_api(tmp_path) as api:
        yield api


@contextmanager
def running_api(tmp_path: Path) -> Iterator[Api]:
    with PortReservations() as ports:
        api, temporal, kafka, redis = (ports.take("127.0.0.1") for _ in range(4))
        settings = {
            "DATA_DIR": str(tmp_path),
            "API_PORT": str(api),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal}",
            "KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka}",
            "REDIS_URL": f"redis://127.0.0.1:{redis}",
            "SERVE_READY_FILE": str(tmp_path / "ready"),
        }
        migrated_files(tmp_path)
        with open_api_keys(Settings(data_dir=tmp_path)) as keys:
            key = NewKey.make("all roles", frozenset(Role), utc_now(), requests_per_minute=0)
            keys.add(key.record)
        settings |= {"API_KEY": key.text, "WEBHOOK_SECRET": SECRET}
        environment = os.environ | {f"TWINSAGA_{name}": value for name, value in settings.items()}
        with (tmp_path / "api.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [str(TWINSAGA), "serve", "api"], env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            eventually((tmp_path / "ready").exists, f"the API is ready; see {tmp_path}/api.log")
            yield Api(f"http://127.0.0.1:{api}", process, environment, KnownCaller(key.text, SECRET))
        finally:
            process.kill()
            process.wait(10)


def test_it_serves_what_it_can_and_names_what_is_missing(api: Api) -> None:
    with httpx.Client(base_url=api.url, timeout=10, auth=api.caller) as client:
        ready = client.get("/readyz")
        placed = client.post("/orders", json=ORDER, headers={"Idempotency-Key": "once"})
        refused = client.post("/orders", json=ORDER | {"style": "orchestrated"})
        pair = client.post("/order-pairs", json=PAIR)
        listed = client.get("/orders").json()["items"]

    assert ready.status_code == 503
    answers = {name: found["answers"] for name, found in ready.json()["dependencies"].items()}
    assert answers == {
        "orders database": True,
        "payments database": True,
        "inventory database": True,
        "shipping database": True,
        "gateway database": True,
        "estate database": True,
        "temporal": False,
        "kafka": False,
        "consumers": True,
        "redis": False,
    }
    assert placed.status_code == 202
    assert (refused.status_code, pair.status_code) == (503, 503)
    assert int(refused.headers["Retry-After"]) > 0
    assert [order["order_id"] for order in listed] == [placed.json()["order_id"]]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_exits_with_0_after_a_signal(api: Api, how: signal.Signals) -> None:
    with httpx.Client(base_url=api.url, timeout=10, auth=api.caller) as client:
        client.get("/healthz").raise_for_status()
        api.process.send_signal(how)

        assert api.process.wait(10) == 0


def written(path: Path, lines: list[Json | str]) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_a_file_is_placed_once_and_its_bad_lines_are_reported(api: Api, tmp_path: Path) -> None:
    bad = changed(ORDER, "lines.0.quantity", 0)
    file = written(tmp_path / "orders.jsonl", [ORDER, "{", bad, changed(ORDER, "customer_id", "another")])

    first = api.twinsaga("order", "place", "--file", file, "--once")
    second = api.twinsaga("order", "place", "--file", file, "--once")

    assert (first.returncode, second.returncode) == (1, 1)
    assert "line 2: is not JSON" in first.stderr
    assert "line 3: lines.0.quantity: " in first.stderr
    assert "orders: 2 placed" in first.stdout
    assert "failed lines: 2" in first.stdout
    with httpx.Client(base_url=api.url, timeout=10, auth=api.caller) as client:
        assert len(client.get("/orders").json()["items"]) == 2


def test_without_once_a_file_is_placed_again(api: Api, tmp_path: Path) -> None:
    file = written(tmp_path / "orders.jsonl", [ORDER, ORDER])

    runs = [api.twinsaga("order", "place", "--file", file) for _ in range(2)]

    assert [run.returncode for run in runs] == [0, 0]
    listed = api.twinsaga("order", "list", "--json", "--style", "choreographed")
    assert len(json.loads(listed.stdout)) == 4


def test_a_list_says_that_there_is_more_and_how_to_see_it(api: Api, tmp_path: Path) -> None:
    file = written(tmp_path / "orders.jsonl", [ORDER] * 5)
    placed = api.twinsaga("order", "place", "--file", file)
    assert placed.returncode == 0

    first = api.twinsaga("order", "list", "--json", "--limit", "3")
    more, _, cursor = first.stderr.strip().rpartition(" ")
    rest = api.twinsaga("order", "list", "--json", "--limit", "3", "--cursor", cursor)
    everything = api.twinsaga("order", "list", "--json", "--all", "--limit", "3")
    table = api.twinsaga("order", "list", "--limit", "3")
    wrong = api.twinsaga("order", "list", "--cursor", "nonsense")

    assert more == "There are more orders. Use --limit or --all, or continue with --cursor"
    assert table.stderr == first.stderr
    assert (rest.stderr, everything.stderr) == ("", "")
    assert [len(json.loads(each.stdout)) for each in (first, rest, everything)] == [3, 2, 5]
    assert json.loads(first.stdout) + json.loads(rest.stdout) == json.loads(everything.stdout)
    assert (wrong.returncode, "cursor: is not a cursor of this list" in wrong.stderr) == (1, True)


def test_an_order_that_does_not_finish_in_time_fails_the_wait(api: Api, tmp_path: Path) -> None:
    file = written(tmp_path / "orders.jsonl", [ORDER])

    waited = api.twinsaga("order", "place", "--file", file, "--wait", "--wait-seconds", "0.3")

    assert waited.returncode == 1
    assert "1 unfinished" in waited.stdout
    assert "line 1: order " in waited.stderr


def test_products_are_stocked_and_an_order_is_shown(api: Api, tmp_path: Path) -> None:
    stocked = api.twinsaga(
        "order", "stock", "--file", written(tmp_path / "products.jsonl", [{"sku": "A B C", **PRODUCT}])
    )
    order = changed(ORDER, "lines.0.sku", "A B C")
    placed = httpx.post(f"{api.url}/orders", json=order, timeout=10, auth=api.caller).json()

    shown = api.twinsaga("order", "show", placed["order_id"])
    as_json = api.twinsaga("order", "show", placed["order_id"], "--json")
    unknown = api.twinsaga("order", "show", "nonsense")

    assert (stocked.returncode, stocked.stdout) == (0, "1 products stocked\n")
    assert placed["order_id"] in shown.stdout
    assert "create_order" in shown.stdout
    assert json.loads(as_json.stdout)["events"][0]["type"] == "order.requested"
    assert unknown.returncode == 1
    assert "no order has the id nonsense" in unknown.stderr


def test_amounts_are_printed_in_major_units(api: Api) -> None:
    price = {"amount": 123_405, "currency": "HUF"}
    with httpx.Client(base_url=api.url, timeout=10, auth=api.caller) as client:
        client.put("/products/COFFEE", json=changed(PRODUCT, "unit_price", price)).raise_for_status()
        order_id = OrderId(client.post("/orders", json=ORDER).json()["order_id"])
    settings = Settings(data_dir=Path(api.environment["TWINSAGA_DATA_DIR"]))
    databases = Databases.open(settings)
    try:
        services = services_over(databases, publish=True, seals=seals(settings))
        created = services.orders.create(CreateOrder(order=services.orders.find(order_id).request))
        assert isinstance(created, OrderCreated)
        services.payments.charge(ChargePayment(order=created.order))
    finally:
        databases.close()

    shown = api.twinsaga("order", "show", order_id)

    assert "total      2468.10 HUF" in shown.stdout
    assert "payment    captured, captured 2468.10 HUF, refunded 0.00 HUF" in shown.stdout


def test_an_api_that_does_not_answer_is_reported(api: Api) -> None:
    answer = api.twinsaga("order", "list", "--api", "http://127.0.0.1:9")

    assert answer.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in answer.stderr
