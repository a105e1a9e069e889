"""Logging is configured per process, so each test starts a process."""

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import logging, structlog
from runtime.logs import configure_logs
from runtime.settings import Settings
configure_logs(Settings({settings}), process="order-service")
{code}
"""


def lines(code: str, settings: str = "") -> list[str]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-c", PROGRAM.format(code=code, settings=settings)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def logged(code: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(code)]


def test_every_line_carries_the_process_and_the_bound_ids() -> None:
    ours, theirs, outside = logged(
        "with structlog.contextvars.bound_contextvars(order_id='o-1', trace_id='t-1'):\n"
        "    structlog.get_logger('ours').info('charged', amount=900)\n"
        "    logging.getLogger('a.library').warning('retrying %s', 'once')\n"
        "logging.getLogger('a.library').warning('idle')\n"
    )

    for line in (ours, theirs):
        assert (line["order_id"], line["trace_id"], line["process"]) == ("o-1", "t-1", "order-service")
    assert (ours["event"], ours["amount"], ours["level"]) == ("charged", 900, "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("retrying once", "a.library", "warning")
    assert "order_id" not in outside


def test_a_line_of_another_thread_carries_the_process_too() -> None:
    (line,) = logged(
        "import threading\n"
        "thread = threading.Thread(target=structlog.get_logger('ours').info, args=('relayed',))\n"
        "thread.start(); thread.join()\n"
    )

    assert (line["event"], line["process"]) == ("relayed", "order-service")


def test_lines_of_the_temporal_sdk_name_the_order_of_their_workflow() -> None:
    of_saga, of_video = logged(
        "log = logging.getLogger('temporalio.activity')\n"
        "for workflow_id in ('order-saga/o-1', 'video/v-1'):\n"
        "    log.warning('failed', extra={'temporal_activity': {'workflow_id': workflow_id}})\n"
    )

    assert of_saga["order_id"] == "o-1"
    assert "order_id" not in of_video


def test_what_the_temporal_sdk_says_about_results_is_not_logged() -> None:
    code = "logging.getLogger('temporalio.worker._activity').debug('Completing activity with completion: address')"

    assert lines(code, "log_level='DEBUG'") == []


def test_secrets_are_never_logged() -> None:
    (line,) = logged("structlog.get_logger().info('x', token='tok_visa', gateway_password='p', Authorization='b')")

    assert {line["token"], line["gateway_password"], line["Authorization"]} == {"***"}


def test_an_exception_is_on_its_line() -> None:
    (line,) = logged("try:\n    1 / 0\nexcept ZeroDivisionError:\n    structlog.get_logger().exception('failed')\n")

    assert line["event"] == "failed"
    assert "ZeroDivisionError" in line["exception"]


def test_the_text_format_is_readable() -> None:
    (line,) = lines("structlog.get_logger().info('charged', order_id='o-1')", "log_format='text'")

    assert "charged" in line
    assert "order_id=o-1" in line


def test_a_traceback_shows_no_local_variable() -> None:
    code = (
        "def charge(card):\n"
        "    raise OSError('refused')\n"
        "try:\n"
        "    charge('tok_' + 'visa')\n"
        "except OSError:\n"
        "    structlog.get_logger().exception('failed')\n"
    )
    text = "\n".join(lines(code, "log_format='text'"))

    assert "OSError: refused" in text
    assert "tok_visa" not in text
