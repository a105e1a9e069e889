"""Streams a multipart upload to a file, in constant memory."""

from hashlib import sha256
from http import HTTPStatus
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


async def receive_upload(request: Request, place: Path) -> Upload:
    """Write the part `file` to `place`. Raises InvalidRequest: no such part; HTTPException (413 or 408)."""
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            part = form.get(FIELD)
            if not isinstance(part, UploadFile):
                raise _no_file("Field required, a file in multipart/form-data")
            return await _written(part, place)
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise _no_file(str(error.detail)) from error  # Starlette's answer to a body that is not multipart


async def _written(part: UploadFile, place: Path) -> Upload:
    upload = Upload()
    with place.open("wb") as file:
        while chunk := await part.read(CHUNK):
            await run_in_threadpool(upload.write, chunk, file)
    return upload


def _no_file(message: str) -> InvalidRequest:
    return InvalidRequest(f"not valid: {FIELD}", errors=[FieldError(field=FIELD, message=message)])
