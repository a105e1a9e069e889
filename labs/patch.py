"""Applies the small unified diffs of the labs, by their text alone: line numbers are for readers.

The old lines of a hunk must occur exactly once in its file. If the file has moved, it is found by its name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from runtime.errors import CannotRun


class DoesNotApply(CannotRun):
    """The code that the patch changes is not there, or is there more than once."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """`old` and `new` are whole lines. `old_at` is the place of its first changed line among those of `old`."""

    path: str
    old: str
    new: str
    changed_at: int


def hunks_of(diff: str) -> Sequence[Hunk]:
    return list(_hunks(diff.splitlines(keepends=True)))


def _hunks(lines: Sequence[str]) -> Iterator[Hunk]:
    path, body = "", list[str]()
    for line in [*lines, "@@"]:
        if line.startswith(("--- ", "+++ ", "@@")):
            if body:
                yield _hunk(path, body)
                body = []
            if line.startswith("+++ "):
                path = line.removeprefix("+++ ").strip().removeprefix("b/")
        else:
            body.append(line)


def _hunk(path: str, body: Sequence[str]) -> Hunk:
    return Hunk(
        path=path,
        old="".join(line[1:] for line in body if line[:1] in " -"),
        new="".join(line[1:] for line in body if line[:1] in " +"),
        changed_at=next(place for place, line in enumerate(body) if line[:1] in "+-"),
    )


def file_of(hunk: Hunk, root: Path) -> Path:
    """Return the file with the hunk's old lines. Raises DoesNotApply."""
    named = root / hunk.path
    candidates = [named] if named.is_file() else [file for file in _sources(root) if file.name == named.name]
    found = [file for file in candidates if file.read_text().count(hunk.old) == 1]
    if len(found) != 1:
        raise DoesNotApply(f"{hunk.path}: its old lines must occur once, in one file:\n{hunk.old}")
    return found[0]


def apply(diff: str, root: Path) -> dict[Path, str]:
    """Apply every hunk, or none. Return the former text of each changed file. Raises DoesNotApply."""
    before: dict[Path, str] = {}
    changed: dict[Path, str] = {}
    for path, hunks in groupby(hunks_of(diff), key=lambda hunk: hunk.path):
        for hunk in hunks:
            file = file_of(hunk, root)
            text = changed.get(file) or before.setdefault(file, file.read_text())
            if text.count(hunk.old) != 1:
                raise DoesNotApply(f"{path}: two hunks change the same lines")
            changed[file] = text.replace(hunk.old, hunk.new)
    for file, text in changed.items():
        file.write_text(text)
    return before


def _sources(root: Path) -> Iterator[Path]:
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in {"tests", "var"}:
            yield from folder.rglob("*.py")
