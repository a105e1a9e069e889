"""How blocks become a figure, and how a run reports it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from rich.progress import Progress

from bench.breakdown_chart import time_chart
from bench.closed_loop import BenchmarkFailed
from bench.metrics import FIGURES, GIB, BenchmarkId, Goal, Unit, shown
from bench.paired_runs import Benchmark, Measured, Pair, play, turns
from bench.report import BenchRun, as_json, table
from bench.run import Plan
from bench.scores import Scores
from bench.sizes import SHORT, Sizes
from tests.support.examples import NOON

SVG = "{http://www.w3.org/2000/svg}"


def measured(name: str, *pairs: tuple[float, float]) -> Measured:
    return Measured(figure=FIGURES[name], pairs=[Pair(ours=ours, baseline=baseline) for ours, baseline in pairs])


def a_run(*figures: Measured, problems: tuple[str, ...] = ()) -> BenchRun:
    return BenchRun(
        seed=7,
        began=NOON,
        seconds=12.5,
        machine={"cores": "2"},
        sizes=asdict(Sizes()),
        measured=figures,
        problems=problems,
    )


class Recorded:
    """A side that returns the next of these values for each block."""

    def __init__(self, name: str, log: list[str], *values: float) -> None:
        self._name = name
        self._log = log
        self._values = iter(values)

    async def warm_up(self) -> None:
        self._log.append(f"{self._name} warms up")

    async def play(self) -> Mapping[str, float]:
        self._log.append(self._name)
        return {"orchestrated-rate": next(self._values)}


class Broken(Recorded):
    async def play(self) -> Mapping[str, float]:
        raise BenchmarkFailed("order 1 is cancelled")


def test_the_ratio_is_the_median_of_the_pairs_and_not_that_of_the_medians() -> None:
    figure = measured("orchestrated-rate", (10, 20), (30, 10), (20, 40))

    assert figure.ratio == 0.5
    assert (figure.ours, figure.baseline) == (20, 20)


def test_the_median_of_an_even_number_of_pairs_is_the_mean_of_the_middle_two() -> None:
    assert measured("orchestrated-rate", (1, 1), (2, 1), (4, 1), (8, 1)).ratio == 3


def test_the_spread_has_the_lowest_and_the_highest_ratio() -> None:
    assert measured("orchestrated-rate", (10, 20), (30, 10), (20, 40), (9, 10)).spread == (0.5, 3.0)


@pytest.mark.parametrize(("ours", "reached"), [(9.9, False), (10, True), (11, True)])
def test_a_rate_has_to_be_at_least_the_goal(ours: float, reached: bool) -> None:
    assert measured("orchestrated-rate", (ours, 10)).reached is reached


@pytest.mark.parametrize(("ours", "reached"), [(7.9, True), (8, True), (8.1, False)])
def test_a_time_has_to_be_at_most_the_goal(ours: float, reached: bool) -> None:
    assert measured("orchestrated-p50", (ours, 10)).reached is reached


def test_a_figure_without_a_goal_is_neither_reached_nor_missed() -> None:
    assert measured("orchestrated-p50-seen", (1, 1)).reached is None


def test_the_side_that_is_second_in_a_pair_begins_the_next_one() -> None:
    assert turns(3, ours_first=True) == [(True, False), (False, True), (True, False)]
    assert turns(2, ours_first=False) == [(False, True), (True, False)]


async def test_both_sides_warm_up_and_then_play_in_turns() -> None:
    log: list[str] = []
    benchmark = Benchmark(ours=Recorded("ours", log, 10, 30), baseline=Recorded("baseline", log, 20, 40))

    found = await play(benchmark, 2, ours_first=False, on_played=lambda: log.append("|"))

    assert log == "ours warms up,baseline warms up,baseline,|,ours,|,ours,|,baseline,|".split(",")
    assert found == {"orchestrated-rate": [Pair(ours=10, baseline=20), Pair(ours=30, baseline=40)]}


async def test_a_failed_benchmark_is_a_problem_and_the_next_one_is_played() -> None:
    log: list[str] = []
    baseline = Recorded("baseline", log, 1, 1)
    scores = Scores([BenchmarkId.ORCHESTRATED_CONCURRENT], SHORT, Progress(disable=True))

    await scores.play(BenchmarkId.STARTS, Benchmark(ours=Broken("ours", log), baseline=baseline), ours_first=True)
    good = Benchmark(ours=Recorded("ours", log, 3), baseline=baseline)
    await scores.play(BenchmarkId.ORCHESTRATED_CONCURRENT, good, ours_first=True)

    assert scores.problems == ["starts of workflows: order 1 is cancelled"]
    assert scores.pairs == {"orchestrated-rate": [Pair(ours=3, baseline=1)]}


def test_a_run_with_a_problem_is_not_ok_and_one_that_misses_a_goal_is() -> None:
    missed = measured("orchestrated-rate", (1, 10))

    assert a_run(missed).ok
    assert not a_run(missed, problems=("an order did not end",)).ok


def test_json_has_every_pair_and_whether_the_goal_is_reached() -> None:
    found = json.loads(json.dumps(as_json(a_run(measured("orchestrated-rate", (10, 20), (30, 20))))))

    figure = found["figures"]["orchestrated-rate"]
    assert (figure["ratio"], figure["lowest"], figure["highest"], figure["reached"]) == (1.0, 0.5, 1.5, True)
    assert figure["pairs"][0] == {"ours": 10, "reference": 20, "ratio": 0.5}
    assert (found["seed"], found["began"], found["ok"]) == (7, NOON.isoformat(), True)


def test_the_table_has_a_line_for_each_figure() -> None:
    console = Console(file=StringIO(), width=120)
    console.print(
        table(a_run(measured("orchestrated-rate", (10, 20), (30, 20)), measured("memory-idle", (GIB / 2, GIB))))
    )

    printed = console.file.getvalue() if isinstance(console.file, StringIO) else ""
    assert [line.split()[:5] for line in printed.splitlines() if line.startswith(" orchestrated")] == [
        ["orchestrated-rate", "1.00", "0.50", "to", "1.50"]
    ]
    assert "512 MiB" in printed


def test_values_are_shown_with_their_units() -> None:
    assert shown(12.34, Unit.PER_SECOND) == "12.3/s"
    assert shown(0.0501, Unit.SECONDS) == "50.1 ms"
    assert shown(3 * GIB, Unit.BYTES) == "3,072 MiB"
    assert (str(Goal(">=", 0.25)), str(Goal("<=", 2))) == (">= 0.25", "<= 2")


def test_the_figures_decide_the_benchmarks_and_each_is_played_once() -> None:
    plan = Plan(figures=["memory-idle", "orchestrated-p50", "orchestrated-p50-seen"], sizes=SHORT, seed=1)

    assert plan.benchmarks == [
        BenchmarkId.ORCHESTRATED_ONE_BY_ONE,
        BenchmarkId.MEMORY,
    ]


def test_a_bar_is_as_long_as_its_time_and_has_every_step() -> None:
    alone = {"order.created": 0.010, "order.confirmed": 0.030}
    hops = {f"hop {number}": 0.002 for number in range(1, 11)}
    seconds = {
        "orchestrated order alone: each event": alone,
        "raw chain alone: each hop": hops,
        "CPU: both": {"api": 9.0},
    }

    drawn = ET.fromstring(time_chart(seconds))  # noqa: S314 - our own
    bars = [bar for bar in drawn.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    widths = [float(bar.attrib["width"]) for bar in bars]

    assert len(bars) == len(alone) + len(hops)
    assert widths[1] == pytest.approx(3 * widths[0], abs=0.2)
    assert sum(widths[2:]) == pytest.approx(0.5 * sum(widths[:2]), abs=1.0)
    assert [text.text for text in drawn.iter(f"{SVG}text")].count("40 ms") == 1


def test_there_is_no_chart_without_an_order_alone() -> None:
    assert time_chart({"CPU: orchestrated orders together": {"api": 0.1}}) == ""
