"""A working folder as a user may have one: its packages have the names of ours, and of libraries that we import."""

from pathlib import Path

from tests.support.checkout import top_level_packages

LIBRARIES = ("celery", "flower", "kafka", "kombu", "redis", "structlog", "temporalio", "vine")
NOTED = "imported.txt"


def make_folder_of_a_user(parent: Path) -> Path:
    """Return the folder. Each of its packages fails when it is imported, and is noted."""
    folder = parent / "project-of-a-user"
    for name in (*sorted(top_level_packages()), "tests", *LIBRARIES):
        package = folder / name
        package.mkdir(parents=True, exist_ok=True)
        noting = f"with open({str(folder / NOTED)!r}, 'a') as noted:\n    noted.write(__name__ + '\\n')\n"
        (package / "__init__.py").write_text(f"{noting}raise ImportError('the package of a user')\n")
    return folder


def imported_from(folder: Path) -> list[str]:
    noted = folder / NOTED
    return noted.read_text().splitlines() if noted.exists() else []
