"""The labs of this checkout: in `lessons/`, a folder each with `lab.toml`, `mutant.patch` and perhaps `fault.patch`."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.order import SagaStyle
from labs.patch import hunks_of
from runtime.errors import CannotRun

ROOT = Path(__file__).parents[1]
LESSONS = Path(__file__).with_name("lessons")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Play(_Strict):
    """The play of a lab on the engines, first in `style`, then, if `both`, in the other one.

    `scenario`: of the comparison. `stock`: pieces on hand of each product, None for the scenario's. `script`: what
    happens while the orders run; see `labs.script`. `finds`: invariants of which the
    audit must find one broken; several where two messages race.
    """

    style: SagaStyle
    scenario: str
    finds: Annotated[tuple[str, ...], Field(min_length=1)]
    both: bool = True
    orders: Annotated[int, Field(ge=1, le=10)] = 1
    stock: int | None = None
    script: tuple[str, ...] = ()


class Lab(_Strict):
    """`words`: its places in the syllabus. `tests`: those that catch the mutant.

    `promise`: what the code promises, and the learner's question; about ten lines. `answer`: what went wrong and why.
    `play`: None if no audit of a short run shows the harm.
    """

    number: int
    name: str
    title: str
    question: str
    words: Annotated[tuple[str, ...], Field(min_length=1)]
    promise: str
    answer: str
    tests: Annotated[tuple[str, ...], Field(min_length=1)]
    play: Play | None = None
    mutant: str
    fault: str = ""

    @property
    def files(self) -> Sequence[str]:
        """The files that the mutant changes."""
        return list(dict.fromkeys(hunk.path for hunk in hunks_of(self.mutant)))

    @property
    def how(self) -> Literal["played", "test"]:
        return "played" if self.play else "test"


def load_labs(lessons: Path = LESSONS) -> Sequence[Lab]:
    """Return all labs by number. Raises CannotRun outside of a checkout."""
    if not (ROOT / "tests").is_dir():
        raise CannotRun(
            f"labs need the sources and the tests of twinsaga, and {ROOT} has no tests: run this command in a checkout"
            " (git clone, then `make setup`)"
        )
    return [_lab(folder) for folder in sorted(lessons.iterdir()) if (folder / "lab.toml").exists()]


def _lab(folder: Path) -> Lab:
    number, _, name = folder.name.partition("-")
    fault = folder / "fault.patch"
    return Lab.model_validate(
        tomllib.loads((folder / "lab.toml").read_text())
        | {
            "number": int(number),
            "name": name,
            "mutant": (folder / "mutant.patch").read_text(),
            "fault": fault.read_text() if fault.exists() else "",
        }
    )
