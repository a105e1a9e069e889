"""Request bodies are bounded in size and in time, whatever the route does with them."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.types import Message, Scope

from api.body_limits import BodyGuard
from api.exception_handlers import add_exception_handlers

STAY = {"type": "http.request", "body": b"x", "more_body": True}
LAST = {"type": "http.request", "body": b"yz", "more_body": False}
PROBLEM = b"application/problem+json"


@dataclass
class Site:
    """An app with our limits: 10 bytes, or 20 for uploads, within a second."""

    read: list[int] = field(default_factory=list)
    cancelled: int = 0

    def app(self) -> FastAPI:
        app, router = FastAPI(), APIRouter()
        add_exception_handlers(app)
        app.add_middleware(BodyGuard, limit=10, deadline_s=1.0, uploads={"/videos": 20})

        @router.post("/orders")
        async def place(request: Request) -> int:
            return len(await request.body())

        @router.post("/cancel")
        async def cancel() -> None:
            self.cancelled += 1

        @router.post("/videos", max_body_size=20)
        async def upload(request: Request) -> None:
            async for chunk in request.stream():
                self.read.append(len(chunk))

        app.include_router(router, max_body_size=10)
        return app


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def post(
    site: Site, path: str, messages: Iterable[Message], *, length: bytes | None = None, pause_s: float = 0
) -> Answer | None:
    """Send the messages, then nothing more. None if the client got no answer."""
    incoming, sent = iter(messages), list[Message]()

    async def receive() -> Message:
        await asyncio.sleep(pause_s)
        for message in incoming:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", length)]
    scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    await asyncio.wait_for(site.app()(scope, receive, send), 5)
    if not sent:
        return None
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), body)


def refused(answer: Answer | None, status: int) -> bool:
    assert answer is not None
    assert answer.headers[b"content-type"] == PROBLEM
    assert answer.headers[b"connection"] == b"close"
    return answer.status == status


async def test_a_body_in_chunks_is_read_as_one() -> None:
    answer = await post(Site(), "/orders", [STAY, LAST])

    assert answer is not None
    assert answer.body == b"3"


async def test_chunks_over_the_limit_are_refused_before_the_body_ends() -> None:
    assert refused(await post(Site(), "/orders", [STAY] * 11), 413)


@pytest.mark.parametrize("path", ["/orders", "/cancel", "/nowhere"])
@pytest.mark.parametrize("length", [b"11", b"9" * 5_000])
async def test_a_length_over_the_limit_is_refused_before_anything_is_read_or_done(path: str, length: bytes) -> None:
    site = Site()

    assert refused(await post(site, path, [], length=length), 413)
    assert site.cancelled == 0


async def test_a_client_that_sends_nothing_more_is_refused_after_the_deadline() -> None:
    assert refused(await post(Site(), "/orders", [STAY]), 408)


async def test_a_client_that_sends_a_byte_at_a_time_has_one_deadline_for_the_whole_body() -> None:
    assert refused(await post(Site(), "/orders", [STAY] * 9, pause_s=0.25), 408)


async def test_an_upload_is_passed_on_in_chunks_and_has_a_deadline_for_each() -> None:
    site = Site()

    answer = await post(site, "/videos", [*[STAY] * 9, LAST], pause_s=0.25, length=b"11")

    assert answer is not None
    assert (answer.status, sum(site.read)) == (200, 11)


async def test_an_upload_that_is_too_large_or_too_slow_is_refused_where_it_is() -> None:
    large, slow = Site(), Site()

    assert refused(await post(large, "/videos", [STAY] * 21), 413)
    assert refused(await post(slow, "/videos", [STAY]), 408)
    assert (sum(large.read), sum(slow.read)) == (20, 1)
