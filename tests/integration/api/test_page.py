"""The page and its protection, as far as no browser is needed. The rest is in tests/browser."""

import html
from dataclasses import dataclass, field, replace

import httpx2 as httpx
import pytest

from api.dependencies import Neighbour, Traces
from api.problems import NotPossibleNow
from api.routers.page import STATIC
from tests.support.api_bodies import ORDER
from tests.support.api_rig import Rig

LIMIT = 100_000


@dataclass
class Neighbours:
    done: list[str] = field(default_factory=list)

    def neighbours(self) -> list[Neighbour]:
        return [Neighbour("payment-service", "running")]

    def stop(self, name: str) -> None:
        self.done.append(f"stop {name}")

    def start(self, name: str) -> None:
        raise NotPossibleNow(f"{name} is running")

    def kill(self, name: str) -> None:
        self.done.append(f"kill {name}")


@pytest.fixture
def neighbours(rig: Rig) -> Neighbours:
    neighbours = Neighbours()
    rig.dependencies = replace(rig.dependencies, controls=neighbours)
    return neighbours


def assets_of(html: str) -> list[str]:
    return [part.partition('"')[0] for part in html.split('="/static/')[1:]]


async def test_the_page_loads_nothing_from_elsewhere_and_runs_no_inline_script(client: httpx.AsyncClient) -> None:
    page = await client.get("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.text.count("<script") == page.text.count('<script type="module" src="/static/')
    assert " style=" not in page.text
    assert " on" not in {attribute[:3] for attribute in page.text.split('"')}
    assert "//" not in page.text.replace("http://temporal.test", "").replace("http://www.w3.org", "")


async def test_without_a_trace_ui_the_page_has_no_link_to_one(client: httpx.AsyncClient) -> None:
    page = await client.get("/")

    assert "data-trace-ui" not in page.text
    assert "in the trace UI" not in page.text


async def test_the_address_of_the_trace_ui_is_escaped(rig: Rig) -> None:
    address = 'https://traces.test/"><script>alert(1)</script>/{trace_id}'
    rig.dependencies = replace(rig.dependencies, traces=Traces(ui=address))

    async with rig.client() as client:
        page = await client.get("/")

    assert f'data-trace-ui="{html.escape(address)}"' in page.text.replace("&#34;", "&quot;")
    assert page.text.count("<script") == 1


async def test_the_whole_page_is_small(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    files = {path.name: await client.get(f"/static/{path.name}") for path in STATIC.iterdir()}

    assert set(assets_of(page.text)) <= set(files)
    assert all(answer.status_code == 200 for answer in files.values())
    assert len(page.content) + sum(len(answer.content) for answer in files.values()) < LIMIT
    for answer in files.values():
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"


async def test_other_files_are_not_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/static/../routers/page.py")).status_code == 404
    assert (await client.get("/static/%2e%2e/routers/page.py")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://elsewhere.test"},
        {"Origin": "null"},
    ],
)
async def test_a_page_of_another_site_cannot_write(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    refused = await client.post("/orders", json=ORDER, headers=headers)

    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await client.get("/orders", headers=headers)).json()["items"] == []


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, {"Origin": "http://localhost"}]
)
async def test_our_page_and_other_programs_can_write(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.post("/orders", json=ORDER, headers=headers)).status_code == 202


async def test_without_controls_there_is_no_route_and_no_panel(client: httpx.AsyncClient) -> None:
    assert (await client.get("/controls")).status_code == 404
    assert (await client.post("/controls/payment-service", json={"action": "kill"})).status_code == 404
    assert "/controls/{name}" not in (await client.get("/openapi.json")).json()["paths"]
    assert 'id="controls"' not in (await client.get("/")).text


async def test_with_controls_the_routes_act_on_the_processes(rig: Rig, neighbours: Neighbours) -> None:
    async with rig.client() as client:
        page = await client.get("/")
        stopped = await client.post("/controls/payment-service", json={"action": "stop"})
        killed = await client.post("/controls/payment-service", json={"action": "kill"})
        refused = await client.post("/controls/payment-service", json={"action": "start"})
        as_a_form = await client.post("/controls/payment-service", data={"action": "kill"})

    assert 'id="controls"' in page.text
    assert (stopped.status_code, killed.status_code) == (202, 202)
    assert stopped.json() == {"processes": [{"name": "payment-service", "state": "running"}]}
    assert (refused.status_code, refused.json()["detail"]) == (409, "payment-service is running")
    assert as_a_form.status_code == 422
    assert neighbours.done == ["stop payment-service", "kill payment-service"]
