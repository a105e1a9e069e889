"""Which tests run on which servers: the embedded ones, or those that TWINSAGA_TEST_SERVERS names."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.real_servers import VARIABLE, given_servers

REAL = Path(__file__).with_name("real")
_left_out = pytest.StashKey[Counter[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {item: why for item in items if (why := _why_not_here(item))}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    config.stash[_left_out] = Counter(left_out.values())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    servers, left_out = given_servers(), config.stash.get(_left_out, Counter())
    if servers is not None:
        terminalreporter.section("on real servers")
        terminalreporter.line(f"PostgreSQL, Redis, Apache Kafka {servers.kafka} and Temporal {servers.temporal}")
        for why, tests in left_out.most_common():
            terminalreporter.line(f"left out: {tests}, {why}")
    elif left_out:
        terminalreporter.section("REAL SERVERS WERE NOT TESTED", red=True, bold=True)
        for why, tests in left_out.most_common():
            terminalreporter.line(f"left out: {tests}, {why}", red=True)


def _why_not_here(item: pytest.Item) -> str | None:
    if given_servers() is None:
        return f"{VARIABLE} is not set; see `make test-real`" if item.path.is_relative_to(REAL) else None
    marker = item.get_closest_marker("embedded")
    return str(marker.args[0]) if marker else None
