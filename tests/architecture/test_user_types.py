"""mypy, as strict as it can be, sees the types of the bridges in the code of a user who installed them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
USER = Path(__file__).with_name("user_of_the_bridges.py")
NO_CONFIG = "/dev/null"


def test_a_user_who_checks_strictly_sees_every_type() -> None:
    # Where a type were missing, an `assert_type` would fail, or an ignored error would be none: mypy reports both.
    checked = subprocess.run(  # noqa: S603 - mypy
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", NO_CONFIG),
            *("--cache-dir", str(ROOT / ".mypy_cache" / "user"), str(USER)),
        ],
        env=os.environ | {"MYPYPATH": str(ROOT / "bridges")},
        cwd=USER.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
