"""Runs a program that the kernel kills as soon as its parent ends, even if the parent was killed by SIGKILL.

    python -I -S parent_death.py PARENT_PID PROGRAM ARGUMENT...

Linux only (prctl); on other systems the program runs without this tie. Start it from the parent's main thread: the
kernel acts on the end of the thread that forked, not of its process.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def command_prefix() -> tuple[str, ...]:
    """Return what to put before a command to tie it to this process."""
    return (sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()))  # noqa: PTH100 - pathlib is slow to import


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs one of our modules.

    -P leaves the current folder out of the path: a user's folder may contain a package named `domain` or `services`.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def die_with_parent(parent: int) -> None:
    """Tie this process to `parent`, a process id. Not inherited: a forked child calls it again."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - not available on every platform

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl took effect
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
