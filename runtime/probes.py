"""Checks whether a Kafka broker answers. The caller sets the deadline."""

import asyncio
import ssl
import struct
from contextlib import suppress
from uuid import uuid4


class NoAnswer(Exception):
    """A server listens there, but its answer does not follow the protocol."""


async def ask_kafka(bootstrap: str, tls: ssl.SSLContext | None = None) -> None:
    """Send ApiVersions (v0), the one request that a broker answers without authentication.

    By hand, because a client would keep a connection and a thread. One of several brokers must answer.
    """
    *others, last = bootstrap.split(",")
    for address in others:
        with suppress(OSError, EOFError, NoAnswer):
            await _ask_broker(address, tls)
            return
    await _ask_broker(last, tls)


async def _ask_broker(address: str, tls: ssl.SSLContext | None) -> None:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    try:
        correlation_id = uuid4().int & 0x7FFF_FFFF
        request = struct.pack(">hhih", 18, 0, correlation_id, -1)
        writer.write(struct.pack(">i", len(request)) + request)
        await writer.drain()
        _, answered = struct.unpack(">ii", await reader.readexactly(8))
        if answered != correlation_id:
            raise NoAnswer(f"{address} answered another request")
    finally:
        writer.close()
