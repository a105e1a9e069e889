"""One stack whose processes send traces, with what was played on it, for all files of this folder."""

from collections.abc import Iterator

import pytest

from tests.support.otlp import collector
from tests.support.stack import running_stack
from tests.support.traced_stack import PROCESSES, Player, Traced


@pytest.fixture(scope="package")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("traced")
    short = {"parked_longest_delay_seconds": "1", "session_timeout_ms": "3000", "log_level": "DEBUG"}
    with collector() as (received, variables), pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with running_stack(folder, "--only", ",".join(PROCESSES), **short) as stack, stack.client() as client:
            yield Player(stack, client).played(received)
