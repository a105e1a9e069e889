"""A private copy of the checkout, which its own processes import instead of the installed one."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labs.catalogue import ROOT
from runtime import parent_death
from runtime.errors import CannotRun

_LEFT_OUT = shutil.ignore_patterns(".*", "var", "node_modules", "build", "dist", "*.egg-info")
_CHECK_S = 60.0
_CHECK = "import domain, twinsaga_bridges; print(domain.__file__, twinsaga_bridges.__file__, sep='\\n')"


@dataclass(frozen=True, slots=True)
class PrivateCopy:
    """It shares the environment. PYTHONPATH, which child processes inherit, comes before the installed checkout."""

    root: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join((str(self.root), str(self.root / "bridges")))}

    def python(self, *arguments: str, deadline_s: float) -> "subprocess.CompletedProcess[str]":
        """Run `python -P ARGUMENTS` in the copy. Raises subprocess.TimeoutExpired, after everything of it is killed."""
        with subprocess.Popen(  # noqa: S603 - our own program
            [*parent_death.command_prefix(), sys.executable, "-P", *arguments],
            cwd=self.root,
            env=os.environ | self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=deadline_s)
            finally:
                _kill_group(process)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    def pytest(self, tests: Sequence[str], *, deadline_s: float) -> "subprocess.CompletedProcess[str]":
        """Run these tests; see `python`."""
        options = "-m pytest -q -rf --tb=short -p no:cacheprovider -p no:xdist".split()
        return self.python(*options, *tests, deadline_s=deadline_s)


def _kill_group(process: "subprocess.Popen[str]") -> None:
    """End the process and its group: a test that was interrupted leaves children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def private_copy(root: Path = ROOT) -> Iterator[PrivateCopy]:
    """Copy the checkout into a temporary folder, which is removed at the end. Raises CannotRun."""
    with tempfile.TemporaryDirectory(prefix="twinsaga-lab-", ignore_cleanup_errors=True) as folder:
        copy = PrivateCopy(Path(folder).resolve() / "checkout")
        shutil.copytree(root, copy.root, ignore=_LEFT_OUT, symlinks=True)
        _check(copy)
        yield copy


def _check(copy: PrivateCopy) -> None:
    imported = copy.python("-c", _CHECK, deadline_s=_CHECK_S)
    files: Sequence[str] = imported.stdout.split()
    if imported.returncode or not all(file.startswith(f"{copy.root}{os.sep}") for file in files):
        raise CannotRun(f"the private copy would not be imported, but:\n{imported.stdout}")
