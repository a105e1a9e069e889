"""Imports our modules once, and then runs each of our processes as a fork of itself.

    python -P -m embedded.fork_server DESCRIPTOR MODULE...

All of our processes import the same libraries. That takes each of them seconds of processor time, and a fork none.

The descriptor is a socket (SOCK_SEQPACKET). A request is one byte, with two more descriptors: a file that contains the
arguments and the environment as JSON, and where the output goes. Answers are JSON: first `{"started": PID}`, and at the
end of the process `{"ended": PID, "status": CODE}`. The server ends when the other side closes the socket; its forks
then die with it.
"""

import ctypes
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from runtime.parent_death import die_with_parent

PR_SET_NAME = 15
NO_SIGNAL_WAKES = -1


class FromAnotherThread(RuntimeError):
    """A fork has no other thread than the one that forked, so whatever another one held stays locked for ever."""


def serve(channel: socket.socket) -> Callable[[], None] | None:
    """Answer requests until the other side has gone. In a fork, return what the fork has to do."""
    server = os.getpid()
    woken, waking = socket.socketpair()
    with channel, woken, waking, selectors.DefaultSelector() as ready:
        for each in (woken, waking):
            each.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler no byte comes
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        ready.register(channel, selectors.EVENT_READ)
        ready.register(woken, selectors.EVENT_READ)
        while True:
            readable = {key.fileobj for key, _ in ready.select()}
            if woken in readable:
                woken.recv(4096)
                _report_ended(channel)
            if channel in readable:
                byte, descriptors, _, _ = socket.recv_fds(channel, 1, 2)
                if not byte:
                    return None
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(NO_SIGNAL_WAKES)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    return lambda: _become(server, *descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)
                _answer(channel, started=pid)


def _report_ended(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _answer(channel, ended=pid, status=os.waitstatus_to_exitcode(status))


def _answer(channel: socket.socket, **content: int) -> None:
    channel.send(json.dumps(content).encode())


def _become(server: int, request: int, output: int) -> None:
    """Be the process that `python -P -m MODULE ARGUMENT...` would be, with this environment."""
    os.setsid()  # Ctrl-C reaches only the supervisor, which stops in order
    die_with_parent(server)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.close(output)
    with open(request, "rb") as file:
        wanted: dict[str, Any] = json.load(file)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    module, *arguments = wanted["arguments"]
    sys.argv = [module, *arguments]
    ctypes.CDLL(None).prctl(PR_SET_NAME, arguments[-1].encode())  # what `ps -e` and `top` show, up to 15 characters
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main(descriptor: int, *modules: str) -> None:
    for module in modules:
        import_module(module)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise FromAnotherThread(f"one of these modules starts a thread when it is imported: {', '.join(modules)}")
    gc.collect()
    gc.freeze()  # no fork copies a page only because the collector has marked the objects in it
    become = serve(socket.socket(fileno=descriptor))
    if become is not None:
        become()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
