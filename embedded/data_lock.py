import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import CannotRun


@contextmanager
def only_stack_in(folder: Path) -> Iterator[None]:
    """Raises CannotRun while another stack has `folder`. The lock ends with its holder, however that one ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            raise CannotRun(
                f"another stack (process {holder}) runs in {folder}: stop it, or take another folder with --data"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
