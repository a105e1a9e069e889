"""A full disk behind the output or the logs of `twinsaga up` does not end it."""

from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from embedded.process_log import ProcessLog
from runtime.console import ConsoleReporter

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def test_a_report_that_cannot_be_written_is_left_out() -> None:
    output = FULL.open("w", buffering=1)
    reporter = ConsoleReporter(Console(file=output))
    try:
        reporter.died("payment-service", "killed by SIGKILL", ["a line"], 0.2)
        reporter.restarted("payment-service", 1)
    finally:
        with suppress(OSError):  # closing it writes once more
            output.close()


def test_a_log_whose_copy_has_no_room_gives_way(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "api.log", max_bytes=100)
    log.path.write_text("x" * 200)
    (tmp_path / "api.log.1").symlink_to(FULL)

    log.keep_bounded()

    assert log.path.stat().st_size == 0
    assert log.last_lines(1) == []
