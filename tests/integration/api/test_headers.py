"""The headers of a request are bounded, wherever in a request they come and in whatever pieces."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api.test_serve_api import Api, running_api

CHUNK = b"x" * 65_536
SENT = 40 * 1024 * 1024
GROWTH = 16 * 1024 * 1024
START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = (
    b"POST /orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_api(tmp_path_factory.mktemp("api")) as api:
        yield api


def endless(api: Api, start: bytes, chunk: bytes) -> Iterator[bytes]:
    yield with_key(start, api)
    for _ in range(SENT // len(chunk)):
        yield chunk


@pytest.mark.parametrize(
    ("start", "chunk"),
    [
        (b"GET /", CHUNK),
        (START + b"X-Long: ", CHUNK),
        (START + b"X-", CHUNK),
        (START, b"X-Many: " + b"y" * 1000 + b"\r\n"),
        (CHUNKED + b"1\r\n{\r\n0\r\nX-Trailer: ", CHUNK),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"X-Trailer: " + b"y" * 1000 + b"\r\n"),
        (CHUNKED + b"1;extension=", CHUNK),
    ],
    ids=["path", "value", "name", "many", "trailer", "trailers", "extension"],
)
def test_endless_headers_are_refused_before_they_fill_the_memory(api: Api, start: bytes, chunk: bytes) -> None:
    before = resident(api.process.pid)
    with connected(api) as client:
        answer = b""
        try:
            for piece in endless(api, start, chunk):
                client.sendall(piece)
            answer = client.recv(1000)
        except (ConnectionError, TimeoutError):
            pass  # closed while we were sending

    assert resident(api.process.pid) - before < GROWTH
    assert answer == b"" or answer.split()[1] in {b"431", b"400"}
    with connected(api) as client:
        client.sendall(START + b"Connection: close\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_large_headers_are_answered(api: Api) -> None:
    with connected(api) as client:
        client.sendall(START + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 431 ")


def test_headers_of_60_kb_and_a_body_in_the_same_packets_are_taken(api: Api) -> None:
    with connected(api) as client:
        body = b'{"x": "' + b"y" * 60_000 + b'"}'
        head = (
            b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
            % len(body)
        )
        client.sendall(with_key(head, api) + b"X-Long: " + b"x" * 60_000 + b"\r\nConnection: close\r\n\r\n" + body)
        assert client.recv(1000).startswith(b"HTTP/1.1 422 ")


def with_key(start: bytes, api: Api) -> bytes:
    host = b"Host: localhost\r\n"
    return start.replace(host, host + f"Authorization: Bearer {api.caller.key}\r\n".encode())


def connected(api: Api) -> socket.socket:
    host, _, port = api.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def resident(pid: int) -> int:
    """Return the bytes of memory that the process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
