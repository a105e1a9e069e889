"""A multipart upload, streamed to its place: of whatever size, it takes no memory."""

from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from api.problems import FieldError, InvalidRequest

CHUNK = 1024 * 1024
FIELD = "file"


class Upload:
    """What was written: its size in bytes, and a digest of its content."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = sha256()

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def take(self, chunk: bytes, into: BinaryIO) -> None:
        self.size += len(chunk)
        self._digest.update(chunk)
        into.write(chunk)


async def receive_upload(request: Request, place: Path) -> Upload:
    """Write the part `file` to `place`.

    Raises:
        InvalidRequest: there is no such part.
        BodyTooLarge, BodyTooSlow: see `api.limits`.
    """
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            part = form.get(FIELD)
            if not isinstance(part, UploadFile):
                raise _no_file("Field required, a file in multipart/form-data")
            return await _written(part, place)
    except HTTPException as error:  # what Starlette makes of a body that is no multipart
        raise _no_file(str(error.detail)) from error


async def _written(part: UploadFile, place: Path) -> Upload:
    upload = Upload()
    with place.open("wb") as file:
        while chunk := await part.read(CHUNK):
            await run_in_threadpool(upload.take, chunk, file)
    return upload


def _no_file(message: str) -> InvalidRequest:
    return InvalidRequest(f"not valid: {FIELD}", errors=[FieldError(field=FIELD, message=message)])
