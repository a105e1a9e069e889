"""One stack for all tests of this folder that one process runs. The audit runs after each test."""

from collections.abc import Iterator

import pytest

from tests.support.real_servers import given_servers
from tests.support.shop import Shop
from tests.support.stack import Stack, running_stack

STYLES = ("orchestrated", "choreographed")


# Scope `package`, not `session`: an idle stack takes half a core from the tests that follow. And on real servers a
# stack has to end before the next one begins, which empties their topics.
@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    estate = {"video_retry_base_seconds": "0.2", "video_silent_seconds": "5", "max_video_bytes": str(30 << 20)}
    parked = {"parked_longest_delay_seconds": "1"}
    # The sandbox is slower, and reports non-deterministic calls of workflows. The other stacks run without it.
    sandbox = {"workflow_sandbox": "true"}
    # Apache Kafka refuses members with a shorter session than its default.
    session = {"installation": "spec"} if given_servers() else {"session_timeout_ms": "3000"}
    with running_stack(tmp_path_factory.mktemp("stack"), **estate, **parked, **sandbox, **session) as stack:
        yield stack


@pytest.fixture
def shop(stack: Stack) -> Iterator[Shop]:
    with stack.client() as client:
        shop = Shop(client)
        yield shop
        shop.assert_books_right()


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)
