"""Stops, starts and kills the other processes of the embedded stack, through the supervisor's run folder and signals.

Outside the embedded stack there are no controls: only its supervisor passes a run folder to the API, and a process is
signalled only if it and the API have the same parent, and the folder names that parent.
"""

import os
import signal
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from api.dependencies import Controls, Neighbour, ProcessState
from api.problems import NotFound, NotPossibleNow
from runtime.run_folder import RunFolder
from runtime.settings import Settings
from services.names import INVENTORY_SERVICE, ORDER_SERVICE, PAYMENT_SERVICE, SHIPPING_SERVICE

CONTROLLED = (PAYMENT_SERVICE, ORDER_SERVICE, INVENTORY_SERVICE, SHIPPING_SERVICE, "saga-worker", "kafka-bridge")
KILLS_ALLOWED = 3
"""Per process and minute. After five deaths in a minute the supervisor gives up and ends the stack."""
KILLS_WINDOW_S = 60.0


def controls_in(settings: Settings) -> Controls | None:
    """None outside the embedded stack, and on systems without pidfd, the only safe way to signal a neighbour.

    Also None if the API listens to other machines.
    """
    if settings.embedded_run_dir is None or settings.environment == "production" or sys.platform != "linux":
        return None
    if settings.api_host not in {"127.0.0.1", "::1", "localhost"}:
        return None
    return NeighbourControls(RunFolder(settings.embedded_run_dir))


class NeighbourControls:
    def __init__(self, run_folder: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self._run_folder = run_folder
        self._clock = clock
        self._known: set[str] = set()  # a released process is in no file until it runs again
        self._kills: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KILLS_ALLOWED))

    def neighbours(self) -> Sequence[Neighbour]:
        pids = self._pids()
        self._known |= {name for name in CONTROLLED if name in pids or self._run_folder.holds(name)}
        return [Neighbour(name, self._state(name, pids)) for name in CONTROLLED if name in self._known]

    def stop(self, name: str) -> None:
        self._expect(name, "running")
        self._run_folder.hold(name)
        try:
            self._signal(name, signal.SIGTERM)
        except NotPossibleNow:
            self._run_folder.release(name)
            raise

    def start(self, name: str) -> None:
        self._expect(name, "stopped")
        self._run_folder.release(name)

    def kill(self, name: str) -> None:
        self._expect(name, "running")
        kills, now = self._kills[name], self._clock()
        if len(kills) == KILLS_ALLOWED and now - kills[0] < KILLS_WINDOW_S:
            raise NotPossibleNow(
                f"{name} was killed {KILLS_ALLOWED} times in the last minute; wait before the next kill"
            )
        self._signal(name, signal.SIGKILL)
        kills.append(now)

    def _expect(self, name: str, state: ProcessState) -> None:
        found = next((neighbour for neighbour in self.neighbours() if neighbour.name == name), None)
        if found is None:
            raise NotFound(f"there is no controlled process {name}")
        if found.state != state:
            raise NotPossibleNow(f"{name} is {found.state}")

    def _state(self, name: str, pids: Mapping[str, int]) -> ProcessState:
        runs = name in pids and _is_child(pids[name], os.getppid())
        if self._run_folder.holds(name):
            return "stopping" if runs else "stopped"
        return "running" if runs else "starting"

    def _pids(self) -> Mapping[str, int]:
        return self._run_folder.pids(parent=os.getppid())

    def _signal(self, name: str, number: signal.Signals) -> None:
        """Signal through a pidfd: the kernel may have given the process id to another process meanwhile."""
        try:
            pid = self._pids()[name]
            process = os.pidfd_open(pid)
            try:
                if not _is_child(pid, os.getppid()):
                    raise ProcessLookupError(pid)
                signal.pidfd_send_signal(process, number)
            finally:
                os.close(process)
        except (KeyError, ProcessLookupError):
            raise NotPossibleNow(f"{name} is not running") from None


def _is_child(pid: int, parent: int) -> bool:
    """Whether the process runs with this parent. The fields after the name's last bracket: see proc(5)."""
    try:
        state, found, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return state != "Z" and int(found) == parent
