"""Become another program, which the kernel kills as soon as its parent is gone, even if SIGKILL took the parent.

    python -I -S tethered.py PARENT_PID PROGRAM ARGUMENT...

Linux only (prctl); elsewhere the program merely runs. Start it from the parent's main thread: the kernel takes the
death of the thread that forked for the death of the parent.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def command_prefix() -> tuple[str, ...]:
    """Put this before a command, to tie it to the process that starts it."""
    return (sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()))  # noqa: PTH100 - -S has no time for pathlib


def die_with_parent(parent: int) -> None:
    """Tie this process to `parent`, a process id. Not inherited: a forked child calls it again."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - not there on every platform

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it could be told
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
