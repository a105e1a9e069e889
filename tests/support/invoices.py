"""The example project `examples/invoices`, in an environment that holds the built wheel of the bridges and no more."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime import parent_death
from tests.support.checkout import ROOT
from tests.support.stack import Json
from tests.support.waiting import eventually

EXAMPLE = ROOT / "examples" / "invoices"
STARTED = {
    "celery": ("bin/celery", "-A", "tasks", "worker", "--concurrency", "2", "--loglevel", "INFO"),
    "worker": ("bin/python", "worker.py"),
    "bridge": ("bin/python", "bridge.py"),
    "bank": ("bin/python", "bank.py"),
}
"""As its README starts them."""


def make_environment(folder: Path) -> Path:
    """Return a new virtual environment. The packages come from where `make setup` gets them, and have its hashes."""
    wheels, environment = folder / "wheels", folder / "venv"
    run(sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels), cwd=ROOT / "bridges")
    run(sys.executable, "-m", "venv", str(environment))
    pip = (str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "-r", str(EXAMPLE / "requirements.lock"))
    run(*pip, "--no-deps", "--no-index", *map(str, wheels.glob("*.whl")))
    return environment


def run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Return the output. Raises AssertionError with it if the program fails."""
    done = subprocess.run(  # noqa: S603 - our own programs
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@dataclass(slots=True)
class Invoices:
    """A copy of the example in a folder of its own, so that nothing but its wheel can be imported."""

    folder: Path
    venv: Path
    environment: dict[str, str]
    processes: dict[str, "subprocess.Popen[bytes]"]

    def start(self, name: str, *command: str) -> None:
        program, *arguments = command or STARTED[name]
        with (self.folder / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(  # noqa: S603 - our own programs
                [*parent_death.command_prefix(), str(self.venv / program), *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """SIGKILL to the process and its children at once, as when a machine dies."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait(10)

    def ended(self, name: str) -> bool:
        return self.processes[name].poll() is not None

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@contextmanager
def invoices_on(ready: Json, venv: Path, folder: Path) -> Iterator[Invoices]:
    """Start the example on the engines of a stack. `ready`: the content of its ready file."""
    shutil.copytree(EXAMPLE, folder)
    addresses = {name.upper(): ready[name] for name in ("temporal", "kafka", "redis")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    invoices = Invoices(folder, venv, kept | addresses, {})
    try:
        run(str(venv / "bin" / "python"), "topics.py", cwd=folder, environment=invoices.environment)
        for name in STARTED:
            invoices.start(name)
        eventually(lambda: " ready." in invoices.log("celery"), "the Celery worker is ready")
        yield invoices
    finally:
        for name, process in invoices.processes.items():
            if process.poll() is None:
                invoices.kill(name)
