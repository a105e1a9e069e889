"""A body is bounded in size and in time, whatever the app behind it does."""

import asyncio
from collections.abc import Iterable

from starlette.types import Message, Receive, Scope, Send

from api.limits import BodyLimit
from api.problems import ApiProblem

STAY = {"type": "http.request", "body": b"x", "more_body": True}


async def answered(
    messages: Iterable[Message], *, headers: Iterable[tuple[bytes, bytes]] = (), limit: int = 10
) -> list[Message] | bytes:
    """Return what the caller is answered, or the body when the app gets it. After the messages the caller is silent."""
    coming, seen, sent = iter(messages), bytearray(), list[Message]()

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.extend((await receive())["body"])

    async def receive() -> Message:
        for message in coming:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "headers": list(headers)}
    await BodyLimit(app, limit=limit, deadline_s=0.05)(scope, receive, send)
    return sent or bytes(seen)


def status(answer: list[Message] | bytes) -> int:
    assert isinstance(answer, list)
    return int(answer[0]["status"])


async def test_a_body_in_parts_is_put_together() -> None:
    last = {"type": "http.request", "body": b"yz", "more_body": False}

    assert await answered([STAY, last]) == b"xyz"


async def test_parts_that_add_up_to_too_much_are_refused_before_their_end() -> None:
    assert status(await answered([STAY] * 11)) == 413


async def test_a_length_that_is_too_much_is_refused_before_anything_is_read() -> None:
    for length in (b"11", b"9" * 5_000):
        assert status(await answered([], headers=[(b"content-length", length)])) == 413


async def test_a_caller_who_does_not_go_on_is_not_waited_for() -> None:
    assert status(await answered([STAY])) == 408


async def test_a_caller_who_left_gets_no_answer() -> None:
    assert await answered([STAY, {"type": "http.disconnect"}]) == b""


async def uploaded(messages: list[Message]) -> tuple[int, list[Message]]:
    """Return how many bytes the app had got when it ended, and what the caller was answered."""
    coming, seen, sent = iter(messages), 0, list[Message]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal seen
        try:
            while (message := await receive())["more_body"]:
                seen += len(message["body"])
        except ApiProblem as problem:
            await problem.response()(scope, receive, send)

    async def receive() -> Message:
        for message in coming:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/videos", "headers": []}
    await BodyLimit(app, limit=1, deadline_s=0.05, uploads={"/videos": 3})(scope, receive, send)
    return seen, sent


async def test_an_upload_reaches_the_app_in_pieces() -> None:
    last = {"type": "http.request", "body": b"", "more_body": False}

    assert await uploaded([STAY, STAY, STAY, last]) == (3, [])


async def test_an_upload_that_is_too_large_or_too_slow_ends_where_it_is() -> None:
    too_large, too_slow = await uploaded([STAY] * 9), await uploaded([STAY])

    assert (too_large[0], status(too_large[1])) == (3, 413)
    assert (too_slow[0], status(too_slow[1])) == (1, 408)
