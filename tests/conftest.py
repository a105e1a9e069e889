"""Which tests run on which servers: the embedded ones, or those that TWINSAGA_TEST_SERVERS names."""

from pathlib import Path

import pytest

from tests.given_servers import VARIABLE, given_servers

REAL = Path(__file__).with_name("real")
_left_out = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not _fits(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _fits(item)]
    config.stash[_left_out] = len(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    servers, left_out = given_servers(), config.stash.get(_left_out, 0)
    if servers is not None:
        terminalreporter.section("on real servers")
        terminalreporter.line(f"PostgreSQL, Redis, Apache Kafka {servers.kafka} and Temporal {servers.temporal}")
        terminalreporter.line(f"{left_out} tests are left out: they kill or need engines of the embedded stack")
    elif left_out:
        terminalreporter.section("REAL SERVERS WERE NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"{left_out} tests are left out: {VARIABLE} is not set; see `make test-real`", red=True)


def _fits(item: pytest.Item) -> bool:
    if given_servers() is None:
        return not item.path.is_relative_to(REAL)
    return item.get_closest_marker("embedded") is None
