"""Clients that open connections and send nothing, or too slowly, keep nobody else from an answer."""

import select
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx2 as httpx
import pytest

from processes.uvicorn_server import HEADERS_DEADLINE_S
from tests.integration.api.test_headers import START, connected
from tests.integration.api.test_serve_api import Api, running_api
from tests.support.waiting import DEADLINE_S, eventually

IDLE = 1_000


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_api(tmp_path_factory.mktemp("api")) as api:
        yield api


@dataclass(frozen=True, slots=True)
class SlowClients:
    """What the API does with two clients, each of which takes HEADERS_DEADLINE_S to find out."""

    slow_headers: "Future[bytes]"
    after_an_answer: "Future[None]"


@pytest.fixture(scope="module", autouse=True)
def slow_clients(api: Api) -> Iterator[SlowClients]:
    """They begin before the first test of the module, which waits as long: all of them wait at the same time."""
    with ThreadPoolExecutor(2) as clients:
        yield SlowClients(clients.submit(send_slow_headers, api), clients.submit(send_bytes_after_an_answer, api))


def send_slow_headers(api: Api) -> bytes:
    """Return the answer."""
    with connected(api) as client:
        client.sendall(START + b"X-Slow: ")
        for _ in range(int(HEADERS_DEADLINE_S + DEADLINE_S)):
            # Send only where no answer is there: a byte after the end of the connection would reset it.
            if select.select([client], [], [], 1.0)[0]:
                return client.recv(1000)
            client.sendall(b"x")
    raise AssertionError("the connection does not end")


def send_bytes_after_an_answer(api: Api) -> None:
    with connected(api) as client:
        client.settimeout(DEADLINE_S)
        client.sendall(START.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 405 ")
        client.settimeout(1.0)

        def ended() -> bool:
            try:
                client.sendall(b"1\r\nx\r\n")
                return client.recv(1000) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually(ended, "the connection ends", HEADERS_DEADLINE_S + DEADLINE_S)


def test_a_thousand_idle_connections_are_closed_and_meanwhile_the_api_answers(api: Api) -> None:
    with ExitStack() as opened, httpx.Client(base_url=api.url, timeout=DEADLINE_S, auth=api.caller) as client:
        idle = [opened.enter_context(connected(api)) for _ in range(IDLE)]

        assert client.get("/orders").status_code == 200
        assert client.get("/healthz").status_code == 200

        for each in (idle[0], idle[-1]):
            each.settimeout(DEADLINE_S)
            assert each.recv(1000) == b""


def test_a_client_that_sends_its_headers_too_slowly_is_told_so(slow_clients: SlowClients) -> None:
    assert slow_clients.slow_headers.result().startswith(b"HTTP/1.1 408 ")


def test_bytes_after_an_answer_do_not_keep_the_connection(slow_clients: SlowClients) -> None:
    slow_clients.after_an_answer.result()
