"""By which others know that a process does its work: a file with its number, as long as it lives.

The supervisor of the embedded stack waits for the file, and `twinsaga health` looks whether its process still runs.
"""

import os
from pathlib import Path

from runtime.settings import Settings


def announce_ready(settings: Settings) -> None:
    """Tell whoever watches this process, if anybody does, that it now does its work."""
    if settings.serve_ready_file is not None:
        part = settings.serve_ready_file.with_suffix(".part")
        part.write_text(f"{os.getpid()}\n")
        part.replace(settings.serve_ready_file)


def runs(ready_file: Path) -> bool:
    """Whether a process has announced itself there, and has not ended since."""
    try:
        state = Path(f"/proc/{int(ready_file.read_text())}/stat").read_text()
    except (OSError, ValueError):
        return False
    return state.rpartition(")")[2].split()[0] not in {"Z", "X"}
