"""Files that only our user may read. A reader sees a file whole or not at all."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def replace_file(file: Path, content: str) -> None:
    _written_beside(file, content).replace(file)


def kept(file: Path, make: Callable[[], str]) -> str:
    """Return what the file contains, without space around it. The first process that asks for it makes it."""
    if not file.exists():
        part = _written_beside(file, f"{make()}\n")
        with suppress(FileExistsError):  # another process was faster, and its file stays
            file.hardlink_to(part)
        part.unlink()
    return file.read_text().strip()


def _written_beside(file: Path, content: str) -> Path:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as output:  # noqa: PTH123 - a descriptor
        output.write(content)
    return part
