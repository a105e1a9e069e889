"""The file of a multipart body goes straight to its place, however it arrives."""

import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import Request
from starlette.types import Message

from api.problems import ApiProblem, InvalidRequest, StorageFull, UploadAborted
from api.uploads import Upload, receive_upload

CONTENT = b"\r\n--almost the boundary\r\n" * 3 + b"\x00\xff" + b"x" * 1000
END = {"type": "http.request", "body": b"", "more_body": False}
ABORTED = {"type": "http.disconnect"}


def part(name: str, content: bytes, filename: str | None = "a.mp4") -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    return f'--sep\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"


def body_of(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--sep--\r\n"


def in_chunks(body: bytes, size: int) -> list[Message]:
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    return [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]


async def received(
    messages: Iterable[Message], place: Path, content_type: str = "multipart/form-data; boundary=sep"
) -> Upload:
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    scope = {"type": "http", "method": "POST", "path": "/videos", "headers": [(b"content-type", content_type.encode())]}
    return await receive_upload(Request(scope, receive), place)


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
async def test_the_file_arrives_whole_in_chunks_of_any_size(tmp_path: Path, size: int) -> None:
    body = body_of(part("note", b"a note", None), part("other", b"another file"), part("file", CONTENT))

    upload = await received([*in_chunks(body, size), END], tmp_path / "place")

    assert (tmp_path / "place").read_bytes() == CONTENT
    assert (upload.size, upload.digest) == (len(CONTENT), sha256(CONTENT).hexdigest())


async def test_nothing_is_written_to_the_folder_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "is full"))
    content = b"x" * 3_000_000

    await received([*in_chunks(body_of(part("file", content)), 65_536), END], tmp_path / "place")

    assert (tmp_path / "place").stat().st_size == len(content)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no multipart",
        body_of(part("file", b"a field", None)),
        body_of(part("another", b"")),
        body_of(part("file", b"one"), part("file", b"two")),
        body_of(*[part("note", b"", None)] * 20),
        part("file", b"cut off"),
        body_of(b"--sep\r\n" + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n"),
    ],
)
async def test_a_body_without_exactly_one_whole_file_is_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await received([*in_chunks(body, 1000), END], tmp_path / "place")
    assert [error.field for error in refused.value.errors] == ["file"]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/form-data; boundary="])
async def test_another_content_type_is_refused(tmp_path: Path, content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        await received([END], tmp_path / "place", content_type)


@pytest.mark.parametrize(
    ("last", "place", "error"), [(END, Path("/dev/full"), StorageFull), (ABORTED, Path("/dev/null"), UploadAborted)]
)
async def test_a_full_disk_and_an_aborted_upload_are_no_faults_of_the_server(
    last: Message, place: Path, error: type[ApiProblem]
) -> None:
    chunks = in_chunks(body_of(part("file", b"x" * 300_000)), 65_536)
    with pytest.raises(error):
        await received([*chunks[:-1], last] if last is ABORTED else [*chunks, last], place)
