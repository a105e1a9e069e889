"""Above the limit of connections, the one that has waited longest for a request makes room."""

import asyncio

import pytest
import uvicorn
from starlette.types import Send

from processes import uvicorn_server
from processes.uvicorn_server import BoundedConnection
from tests.support.waiting import DEADLINE_S, until


async def test_the_longest_idle_connection_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_server, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(uvicorn_server, "HEADERS_DEADLINE_S", 3600.0)  # not what closes it
    busy = asyncio.Event()
    done = asyncio.Event()

    async def app(_scope: object, _receive: object, send: Send) -> None:
        busy.set()
        await done.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, http=BoundedConnection)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()
    async with asyncio.timeout(DEADLINE_S):
        working, output = await asyncio.open_connection(host, port)
        output.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await busy.wait()
        oldest, first = await asyncio.open_connection(host, port)
        await until(lambda: len(server.server_state.connections) == 2)
        _, second = await asyncio.open_connection(host, port)

        assert await oldest.read() == b""
        done.set()
        assert (await working.readline()).startswith(b"HTTP/1.1 204 ")
    for each in (output, first, second):
        each.close()
    server.should_exit = True
    await serving
