"""Runs a program with limits that the kernel enforces, and with a low priority.

    python -I -S limited_process.py MEMORY_BYTES CPU_SECONDS FILE_BYTES PROGRAM ARGUMENT...

A program of its own, and not a function that runs between fork and exec: that would not be safe beside threads.
"""

import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NICENESS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`memory_bytes`: of address space. `cpu_s`: of processor time; after it the program ends by SIGXCPU.

    `file_bytes`: the largest file that it may write.
    """

    memory_bytes: int
    cpu_s: int
    file_bytes: int

    def command_prefix(self) -> Sequence[str]:
        """Return what to put before a command that begins with an absolute path."""
        limits = map(str, (self.memory_bytes, self.cpu_s, self.file_bytes))
        return (sys.executable, "-I", "-S", str(Path(__file__).absolute()), *limits)


def run(memory_bytes: int, cpu_s: int, file_bytes: int, command: list[str]) -> None:
    os.nice(NICENESS)
    # The hard limit of the processor time is a second later: SIGKILL, for a program that ignores SIGXCPU.
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):
            if sys.platform == "linux":
                raise  # other systems do not have all of these limits
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
