"""Streams the file of a multipart body to its place, in constant memory and without a second copy on a disk."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.problems import RETRY_AFTER_S, Busy, FieldError, InvalidRequest, StorageFull, UploadAborted

FIELD = "file"
MAX_PARTS = 10
MAX_UPLOADS = 64
"""At a time. Each takes disk space, and waits until ffmpeg has looked at it."""
FULL = {errno.ENOSPC, errno.EDQUOT}


class Upload:
    """The size of the file in bytes, and a digest of its content."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = sha256()

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def write(self, chunk: bytes, file: BinaryIO) -> None:
        self.size += len(chunk)
        self._digest.update(chunk)
        file.write(chunk)


class UploadSlots:
    def __init__(self, count: int = MAX_UPLOADS) -> None:
        self._free = count

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises Busy if none is free."""
        if not self._free:
            raise Busy("too many uploads at a time", headers={"Retry-After": str(RETRY_AFTER_S), "Connection": "close"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class FilePart:
    """Finds the part `file` in a multipart body, and writes its content. Raises InvalidRequest, FormParserError."""

    def __init__(self, content_type: str | None, file: BinaryIO) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise _no_file("Field required, a file in multipart/form-data")
        self._file = file
        self._upload: Upload | None = None
        self._inside = self._complete = False
        self._parts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = ""
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_content,
                "on_part_data": self._write,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        self._parser.write(chunk)

    def result(self) -> Upload:
        if self._upload is None:
            raise _no_file("Field required, a file in multipart/form-data")
        if not self._complete:
            raise _no_file("the multipart body has no end")
        return self._upload

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _no_file(f"more than {MAX_PARTS} parts")
        self._disposition, self._inside = "", False

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = self._value.decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._inside = options.get(b"name") == FIELD.encode() and b"filename" in options
        if self._inside and self._upload is not None:
            raise _no_file("more than one file")
        if self._inside:
            self._upload = Upload()

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._inside and self._upload is not None:
            self._upload.write(data[start:end], self._file)

    def _end(self) -> None:
        self._complete = True


async def receive_upload(request: Request, place: Path) -> Upload:
    """Write the part `file` to `place`.

    Raises InvalidRequest: no such part; StorageFull; UploadAborted; HTTPException (413 or 408).
    """
    with _problems(), place.open("wb") as file:
        part = FilePart(request.headers.get("content-type"), file)
        async for chunk in request.stream():
            await run_in_threadpool(part.feed, chunk)
        return part.result()


@contextmanager
def _problems() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        raise _no_file(str(error)) from error
    except ClientDisconnect:
        raise UploadAborted("the connection was closed before the file had arrived") from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        # The rest of the body is not read, so the connection cannot serve another request.
        raise StorageFull("the file does not fit; try again later", headers={"Connection": "close"}) from error


def _no_file(message: str) -> InvalidRequest:
    return InvalidRequest(f"not valid: {FIELD}", errors=[FieldError(field=FIELD, message=message)])
