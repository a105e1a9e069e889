"""Starts our processes through the fork server (see `fork_server`)."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from tempfile import TemporaryFile

from embedded.program import Process, Program, run_command
from runtime.errors import CannotRun
from runtime.parent_death import command_prefix, python_module

FORKS = sys.platform == "linux"
ANSWER_BYTES = 4096


class Fork:
    """A process that the fork server started. Its exit code comes from the server, which is its parent."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def terminate(self) -> None:
        if self.code.done():
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, signal.SIGTERM)

    async def wait(self) -> int:
        return await asyncio.shield(self.code)


class Forks:
    """`modules`: what the server imports before it forks. `environment`: more of its environment variables.

    The server starts with the first process, or with `prepare`. Not on other systems than Linux, where libraries of the
    system do not survive a fork: each process is then a program of its own.

    If the server dies, its forks die with it, and the next `launch` starts another server.
    """

    def __init__(self, modules: Sequence[str], environment: dict[str, str]) -> None:
        self._modules = modules
        self._environment = environment
        self._server: _Server | None = None
        self._starting = asyncio.Lock()

    @property
    def parent(self) -> int:
        """The process id of the parent of all processes."""
        return self._server.process.pid if self._server is not None else os.getpid()

    async def launch(self, program: Program, output: int) -> Process:
        """Run the program, whose command is a module of ours and its arguments. Raises CannotRun: the server died."""
        if not FORKS:
            return await run_command(replace(program, command=python_module(*program.command)), output)
        return await (await self._running()).fork(program, output)

    async def prepare(self) -> None:
        """Start the server. It imports while this process does something else."""
        if FORKS:
            await self._running()

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def _running(self) -> "_Server":
        async with self._starting:
            if self._server is None or self._server.has_ended:
                self._server = await _Server.start(self._modules, self._environment)
            return self._server


class _Server:
    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self.process = process
        self._channel = channel
        self._forks: dict[int, Fork] = {}
        self._asking = asyncio.Lock()
        self._started: asyncio.Queue[Fork | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, modules: Sequence[str], environment: dict[str, str]) -> "_Server":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            process = await asyncio.create_subprocess_exec(
                *command_prefix(),
                *python_module("embedded.fork_server", str(theirs.fileno()), *modules),
                stdin=asyncio.subprocess.DEVNULL,
                env=os.environ | environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return cls(process, ours)

    @property
    def has_ended(self) -> bool:
        return self._reading.done()

    async def fork(self, program: Program, output: int) -> Fork:
        """Raises CannotRun: the server has died."""
        async with self._asking:
            with TemporaryFile() as request:
                content = {"arguments": program.command, "environment": dict(program.environment)}
                request.write(json.dumps(content).encode())
                request.seek(0)
                with suppress(OSError):  # it has died; the end of its answers says so
                    socket.send_fds(self._channel, [b"\0"], [request.fileno(), output])
                started = await self._started.get()
        if started is None:
            raise CannotRun("the process that starts all others has died")
        return started

    async def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()  # no fork is left; SIGTERM would not end a server that is stopped
        await self.process.wait()
        await self._reading

    async def _read(self) -> None:
        try:
            while answer := await asyncio.get_running_loop().sock_recv(self._channel, ANSWER_BYTES):
                self._take(json.loads(answer))
        except ConnectionResetError:
            pass  # it died before it read a request
        finally:
            for fork in self._forks.values():
                fork.code.set_result(-signal.SIGKILL)  # as the kernel did when the server ended
            self._forks.clear()
            self._started.put_nowait(None)
            self._channel.close()

    def _take(self, answer: Mapping[str, int]) -> None:
        if "started" in answer:
            fork = self._forks[answer["started"]] = Fork(answer["started"])
            self._started.put_nowait(fork)
        else:
            self._forks.pop(answer["ended"]).code.set_result(answer["status"])
