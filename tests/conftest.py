"""Which tests run where, and how they are distributed when several processes run them (`pytest -n 3`).

Tests run on the embedded engines, or on the servers that TWINSAGA_TEST_SERVERS names.
"""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.real_servers import POSTGRES_URL, VARIABLE, given_servers, postgres_url

TESTS = Path(__file__).parent
REAL = TESTS / "real"
NO_POSTGRES = f"a contract on PostgreSQL, {POSTGRES_URL} is not set"
NO_SERVERS = f"{VARIABLE} is not set; see `make test-real`"

SHARE_A_STACK = (
    "spec/.*operators",
    "spec/(?!test_(bench|compare))",
    "integration/bridges/celery_tasks",
    "chaos/(?!test_five_hundred_orders)",
    "browser",
    "integration/traces",
    "expiry",
)
"""Patterns of files that one process runs, because they share a stack. Any other file is a group of its own."""

BEGIN_FIRST = (
    "spec/test_(bench|compare)",
    "chaos/test_five_hundred_orders",
    *SHARE_A_STACK,
    "integration/(test_hostile_records|test_choreography_processes|test_celery_worker|examples)",
    "integration/bridges/kafka",
    "integration/order_saga",
)
"""Patterns of files that take long: no process must still run one of them when the others have nothing left."""


HALF = "TWINSAGA_TEST_LONG_HALF"
"""0 or 1: of the files with long tests, run every other one. Continuous integration runs them by turns."""


def group_of(file: str) -> str:
    return next((pattern for pattern in SHARE_A_STACK if re.match(pattern, file)), file)


# xdist's own loadgroup does nothing with pytest 9.2, whose node ids can no longer be changed.
class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0].removeprefix("tests/"))


_left_out = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left_out] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {item: why for item in items if (why := _why_not_here(item))}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    config.stash[_left_out].update(left_out.values())
    if half := os.environ.get(HALF):
        _keep_half(config, items, int(half))
    if hasattr(config, "workerinput"):  # a process of xdist; the scheduler keeps this order
        items.sort(key=_rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:  # noqa: ANN401 - xdist's
    config.option.loadscopereorder = False
    return ByGroup(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a process of xdist: send the counts to the process that prints the summary."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        counts: Counter[str] = session.config.stash[_left_out]
        output["left_out"] = dict(counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:  # noqa: ANN401, ARG001 - xdist ships no public type
    # Every process collects every test, so their counts are the same.
    counts: Counter[str] = node.config.stash[_left_out]
    for why, tests in getattr(node, "workeroutput", {}).get("left_out", {}).items():
        counts[why] = tests


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash[_left_out]
    if left_out[NO_POSTGRES]:
        terminalreporter.section("PostgreSQL WAS NOT TESTED", red=True, bold=True)
    if (servers := given_servers()) is not None:
        terminalreporter.section("on real servers")
        terminalreporter.line(f"PostgreSQL, Redis, Apache Kafka {servers.kafka} and Temporal {servers.temporal}")
    elif left_out[NO_SERVERS]:
        terminalreporter.section("REAL SERVERS WERE NOT TESTED", red=True, bold=True)
    for why, tests in left_out.most_common():
        terminalreporter.line(f"left out: {tests}, {why}", red=servers is None)


def _keep_half(config: pytest.Config, items: list[pytest.Item], half: int) -> None:
    files = sorted({item.path for item in items if item.get_closest_marker("long")})
    others = {file for place, file in enumerate(files) if place % 2 != half}
    dropped = [item for item in items if item.path in others and item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]
    if dropped:
        config.stash[_left_out][f"their turn is when {HALF}={1 - half}"] += len(dropped)


def _why_not_here(item: pytest.Item) -> str | None:
    if given_servers() is None and item.path.is_relative_to(REAL):
        return NO_SERVERS
    if _needs_postgres(item) and not postgres_url():
        return NO_POSTGRES
    if given_servers() is None:
        return None
    marker = item.get_closest_marker("embedded")
    return str(marker.args[0]) if marker else None


def _needs_postgres(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "postgres" in callspec.params.values()


def _rank(item: pytest.Item) -> int:
    file = item.path.relative_to(TESTS).as_posix()
    return next((rank for rank, pattern in enumerate(BEGIN_FIRST) if re.match(pattern, file)), len(BEGIN_FIRST))
