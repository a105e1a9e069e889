"""A project that has never heard of orders uses all four bridges, from their wheel alone."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.invoices import Invoices, invoices_on, make_environment, run
from tests.support.kafka_topics import records_of
from tests.support.stack import running_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.embedded("starts engines of its own, as the README of the example does")

COUNT = 24
AMOUNT = 1250
KILLED_AFTER = {"bridge": 2, "celery": 5, "worker": 8, "bank": 11}
"""Invoices that are paid when the process is killed."""

WITHIN_S = 240.0


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture
def invoices(venv: Path, tmp_path: Path) -> Iterator[Invoices]:
    with (
        running_stack(tmp_path, "--only", "temporal,kafka,redis") as stack,
        invoices_on(stack.ready, venv, tmp_path / "invoices") as invoices,
    ):
        yield invoices


def test_the_wheel_has_its_types_and_needs_less_than_150_mb(venv: Path) -> None:
    packages = next((venv / "lib").glob("python*/site-packages"))
    tools = [packages / name for name in ("pip", "setuptools")]
    files = [file for file in packages.rglob("*") if file.is_file() and not set(tools) & set(file.parents)]

    assert (packages / "twinsaga_bridges" / "py.typed").is_file()
    assert sum(file.stat().st_size for file in files) < 150_000_000


@pytest.mark.parametrize(
    ("absent", "modules"),
    [
        ("celery kombu kafka redis cloudevents", "kafka.outgoing"),
        ("celery kombu redis", "kafka_into_workflow workflow_into_kafka"),
        ("kafka cloudevents", "celery_into_workflow workflow_into_celery"),
    ],
    ids=["base", "kafka", "celery"],
)
def test_each_extra_works_without_the_other(venv: Path, absent: str, modules: str) -> None:
    block = f"import sys; sys.modules.update(dict.fromkeys({absent!r}.split()))"
    use = "; ".join(f"import twinsaga_bridges.{module}" for module in modules.split())

    run(str(venv / "bin" / "python"), "-I", "-c", f"{block}; {use}")


def await_paid(invoices: Invoices, count: int) -> None:
    eventually(lambda: invoices.log("callers").count(" paid ") >= count, f"{count} are paid", WITHIN_S)


def test_killing_each_part_once_loses_and_doubles_nothing(invoices: Invoices) -> None:
    invoices.start("callers", "bin/python", "callers.py", str(COUNT))

    for name, count in KILLED_AFTER.items():
        await_paid(invoices, count)
        invoices.kill(name)
        invoices.start(name)
    eventually(lambda: invoices.ended("callers"), "the callers have their answers", WITHIN_S)

    numbers = [f"2026-{count}" for count in range(COUNT)]
    assert invoices.log("callers").splitlines() == [f"{number} paid {AMOUNT}" for number in numbers]
    assert {file.stem for file in (invoices.folder / "rendered").iterdir()} == set(numbers)
    published: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in records_of(invoices.environment["KAFKA"], "invoices"):
        published[(event.key or b"").decode(), event.event_type].add(event.event_id)
    assert {what: len(ids) for what, ids in published.items()} == {
        (number, what): 1 for number in numbers for what in ("invoice.sent", "invoice.paid")
    }
    assert records_of(invoices.environment["KAFKA"], "payments.dlq") == []
