"""The client with which the bench places its orders, against the standard library's HTTP server."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.closed_loop import BenchmarkFailed
from bench.http_client import OrderCalls
from tests.support.waiting import eventually

ORDER = json.dumps({"customer_id": "Ana"}).encode()
DEADLINE_S = 10.0


class Shop(ThreadingHTTPServer):
    """Remembers who asked for what on which connection, and numbers what it accepts. `status` is what it answers.

    `before_the_answer` says whether there is to be one.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Counter)
        self.status = 202
        self.before_the_answer: Callable[[Counter], bool] = lambda _: True
        self.asked: list[dict[str, Any]] = []
        self.open: set[int] = set()
        self.opened = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def keys(self) -> list[str]:
        return [asked["key"] for asked in self.asked]


class Counter(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shop

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.opened += 1
            self.number = self.server.opened
            self.server.open.add(self.number)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            place = len(self.server.asked)
            asked = {"path": self.path, "key": self.headers["Idempotency-Key"], "body": body, "on": self.number}
            self.server.asked.append(asked | {"type": self.headers["Content-Type"], "host": self.headers["Host"]})
        if not self.server.before_the_answer(self):
            self.close_connection = True
            return
        answer = json.dumps({"order_id": f"o-{place}"} if self.server.status == 202 else {"title": "no"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def finish(self) -> None:
        super().finish()
        with self.server.lock:
            self.server.open.remove(self.number)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name for it
        """Nobody reads it."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        serving = threading.Thread(target=shop.serve_forever, args=(0.01,))
        serving.start()
        yield shop
        shop.shutdown()
        serving.join()


async def test_orders_one_after_the_other_go_over_one_connection_each_with_a_key_of_its_own(shop: Shop) -> None:
    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        ids = [await calls.place(ORDER) for _ in range(3)]

    assert ids == ["o-0", "o-1", "o-2"]
    assert shop.opened == 1
    assert len(set(shop.keys())) == 3
    assert shop.asked[0] | {"key": ""} == {
        "path": "/orders",
        "key": "",
        "body": ORDER,
        "on": 1,
        "type": "application/json",
        "host": shop.url.removeprefix("http://"),
    }


async def test_orders_at_a_time_go_over_as_many_connections(shop: Shop) -> None:
    all_there = threading.Barrier(3)
    shop.before_the_answer = lambda _: all_there.wait(DEADLINE_S) >= 0

    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        for _ in range(2):
            await asyncio.gather(*(calls.place(ORDER) for _ in range(3)))

    assert (len(shop.asked), shop.opened) == (6, 3)


async def test_at_the_end_every_connection_is_closed(shop: Shop) -> None:
    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        await asyncio.gather(*(calls.place(ORDER) for _ in range(3)))
        assert shop.open

    eventually(lambda: not shop.open, "the server has no connection left", DEADLINE_S)


@pytest.mark.parametrize("status", [200, 422, 503])
async def test_what_is_not_accepted_did_not_work_and_the_status_and_the_answer_are_told(
    shop: Shop, status: int
) -> None:
    shop.status = status

    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        with pytest.raises(BenchmarkFailed, match=rf'POST /orders: {status} {{"title": "no"}}'):
            await calls.place(ORDER)
        shop.status = 202
        await calls.place(ORDER)

    assert shop.opened == 1


async def test_of_a_long_answer_the_beginning_is_told(shop: Shop) -> None:
    shop.status = 500

    def at_length(counter: Counter) -> bool:
        counter.wfile.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
        return False

    shop.before_the_answer = at_length
    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        with pytest.raises(BenchmarkFailed, match=r"500 x{200}$"):
            await calls.place(ORDER)


async def test_a_connection_that_was_closed_while_it_was_idle_is_not_used_again(shop: Shop) -> None:
    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        await calls.place(ORDER)
        shop.before_the_answer = closing_afterwards
        await calls.place(ORDER)
        shop.before_the_answer = lambda _: True
        await asyncio.to_thread(eventually, lambda: not shop.open, "the server has closed it", DEADLINE_S)
        await calls.place(ORDER)

    assert [asked["on"] for asked in shop.asked] == [1, 1, 2]


async def test_an_order_whose_connection_is_closed_under_it_is_sent_again_under_the_same_key(shop: Shop) -> None:
    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        await calls.place(ORDER)
        shop.before_the_answer = lambda counter: counter.number > 1
        assert await calls.place(ORDER) == "o-2"

    assert [asked["on"] for asked in shop.asked] == [1, 1, 2]
    assert shop.keys()[1] == shop.keys()[2] != shop.keys()[0]


async def test_a_new_connection_that_is_closed_without_an_answer_did_not_work(shop: Shop) -> None:
    shop.before_the_answer = lambda _: False

    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        with pytest.raises(BenchmarkFailed, match="closed before it answered"):
            await calls.place(ORDER)

    assert len(shop.asked) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"Content-Length: 50\r\n\r\n{", "IncompleteReadError"),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ValueError"),
    ],
    ids=["it breaks off", "it has no certain length"],
)
async def test_an_answer_that_cannot_be_read_did_not_work(shop: Shop, answer: bytes, told: str) -> None:
    def unreadable(counter: Counter) -> bool:
        counter.wfile.write(b"HTTP/1.1 202 Accepted\r\n" + answer)
        return False

    shop.before_the_answer = unreadable
    async with OrderCalls(shop.url, DEADLINE_S) as calls:
        with pytest.raises(BenchmarkFailed, match=told):
            await calls.place(ORDER)


async def test_an_order_without_an_answer_in_time_did_not_work_and_its_connection_is_left(shop: Shop) -> None:
    answers = threading.Event()
    shop.before_the_answer = lambda _: answers.wait(DEADLINE_S)

    async with OrderCalls(shop.url, 0.2) as calls:
        with pytest.raises(BenchmarkFailed, match=r"no answer within 0\.2 s"):
            await calls.place(ORDER)
        answers.set()
        assert await calls.place(ORDER) == "o-1"

    assert [asked["on"] for asked in shop.asked] == [1, 2]


async def test_where_nobody_listens_it_did_not_work() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        async with OrderCalls(f"http://127.0.0.1:{taken.getsockname()[1]}", DEADLINE_S) as calls:
            with pytest.raises(BenchmarkFailed, match="ConnectionRefusedError"):
                await calls.place(ORDER)


def closing_afterwards(counter: Counter) -> bool:
    counter.close_connection = True
    return True
