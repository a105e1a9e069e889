"""Measures what a compressed batch unpacks to, without unpacking it whole.

A few kilobytes can unpack to gigabytes. kafka-python unpacks within its poll, so such a batch would kill its consumer
and each one that comes after it.
"""

import gzip
from io import BytesIO
from itertools import accumulate
from typing import Any

LARGEST_BATCH = 64 * 1024 * 1024
"""Bytes. Apache Kafka's own limit, of about 1 MB, is for the compressed batch."""

_CHUNK = 1024 * 1024
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16


class UnpacksToTooMuch(ValueError):
    """The batch is larger than LARGEST_BATCH."""


def check_unpacked_size(codec: int, data: bytes) -> None:
    """Raises UnpacksToTooMuch, or whatever the codec raises. kafka-python refuses any other codec."""
    if codec == _SNAPPY:
        size = _snappy_size(data)
    elif codec in {_GZIP, _LZ4, _ZSTD}:
        size = _streamed_size(_reader(codec, data))
    else:
        return
    if size > LARGEST_BATCH:
        raise UnpacksToTooMuch(f"{len(data)} bytes unpack to more than {LARGEST_BATCH}")


def _streamed_size(reader: Any) -> int:  # noqa: ANN401 - a file of one of three libraries
    """0 unless it is too large."""
    chunks = iter(lambda: len(reader.read(_CHUNK)), 0)
    return next((size for size in accumulate(chunks) if size > LARGEST_BATCH), 0)


def _reader(codec: int, data: bytes) -> Any:  # noqa: ANN401 - as above
    # Imported here: kafka-python works without these libraries, as long as no batch needs them.
    if codec == _GZIP:
        return gzip.GzipFile(fileobj=BytesIO(data))
    if codec == _LZ4:
        from lz4.frame import LZ4FrameFile  # noqa: PLC0415

        return LZ4FrameFile(BytesIO(data))
    from zstandard import ZstdDecompressor  # noqa: PLC0415

    return ZstdDecompressor().stream_reader(BytesIO(data), read_across_frames=True)


def _snappy_size(data: bytes) -> int:
    """Snappy writes the unpacked size before each block; Kafka's clients may frame several blocks."""
    if not data.startswith(_XERIAL):
        return _varint(data, 0)
    size, at = 0, _XERIAL_HEADER
    while at < len(data):
        size += _varint(data, at + 4)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return size


def _varint(data: bytes, at: int) -> int:
    value = 0
    for shift in range(0, 35, 7):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that another byte follows
            return value
        at += 1
    raise ValueError("not a length")
