"""`twinsaga bench` as a user runs it, on stacks of its own. No ratio is asserted, since it depends on the machine."""

import json
import math
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.metrics import FIGURES
from tests.support.stack import TWINSAGA, Json
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.embedded("starts embedded stacks of its own")]

DEADLINE_S = 300.0
FOLDERS = "twinsaga-bench-*"
SVG = "{http://www.w3.org/2000/svg}"


@contextmanager
def bench(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the command with its temporary files in `folder`, where a test can look for what is left of them."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [str(TWINSAGA), "bench", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of all processes that have `folder` for their temporary files."""
    mine = f"TMPDIR={folder}\0".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mine in environment.read_bytes() + b"\0":
                found.append(environment.with_name("cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benched")


@pytest.fixture(scope="module")
def printed(files: Path) -> str:
    written = ["--json", str(files / "figures.json"), "--chart", str(files / "new" / "chart.svg")]
    with bench(files, "--short", "--seed", "5", *written) as process:
        output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    return output


@pytest.fixture
def run(printed: str, files: Path) -> Json:
    assert printed
    found: Json = json.loads((files / "figures.json").read_text())
    return found


def test_every_figure_has_values_of_both_sides(run: Json) -> None:
    assert (run["ok"], run["problems"], run["seed"]) == (True, [], 5)
    assert list(run["figures"]) == list(FIGURES)
    for name, figure in run["figures"].items():
        assert len(figure["pairs"]) == 1, name
        for value in (figure["ratio"], figure["ours"], figure["reference"]):
            assert math.isfinite(value), name
            assert value > 0, name


def test_values_are_in_the_range_of_their_unit(run: Json) -> None:
    limits = {"seconds": (1e-5, 30.0), "per second": (0.1, 1e5), "bytes": (50e6, 10e9)}
    for name, figure in run["figures"].items():
        lowest, highest = limits[figure["unit"]]
        assert lowest < figure["ours"] < highest, name
        assert lowest < figure["reference"] < highest, name


def test_the_machine_is_described_and_memory_is_given_by_process(run: Json) -> None:
    assert run["machine"]["cores"]
    memory = run["details"]["memory_bytes"]
    assert {"api", "saga-worker", "order-service", "supervisor"} <= memory["idle"].keys()
    assert not {"temporal", "kafka", "redis"} & memory["all"].keys()


def test_the_terminal_has_a_line_for_each_figure(printed: str) -> None:
    lines = [line.split() for line in printed.splitlines()]
    assert [name for name in FIGURES if not any(line and line[0] == name for line in lines)] == []
    assert "seed 5" in printed


def test_the_chart_has_a_bar_for_each_style_and_each_baseline(printed: str, files: Path) -> None:
    assert printed
    words = [text.text for text in ET.parse(files / "new" / "chart.svg").iter(f"{SVG}text")]  # noqa: S314 - our own
    assert {"bare workflow", "choreographed order", "orchestrated order", "raw chain"} <= set(words)
    assert any("order.confirmed" in str(word) for word in words)


def test_no_file_and_no_process_is_left(printed: str, files: Path) -> None:
    assert printed
    assert list(files.glob(FOLDERS)) == []
    assert processes_in(files) == []


def test_no_file_and_no_process_is_left_by_a_run_that_is_stopped(tmp_path: Path) -> None:
    # Not the short sizes: the run must not be over before the signal comes.
    with bench(tmp_path, "--figure", "choreographed-rate") as process:
        eventually(lambda: any(tmp_path.glob(f"{FOLDERS}/few/kafka_hop-5.log")), "the baseline is started", 120)
        assert len(processes_in(tmp_path)) > 10
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)

    assert process.returncode not in (0, None), output
    assert list(tmp_path.glob(FOLDERS)) == []
    assert processes_in(tmp_path) == []


def test_an_unknown_figure_is_refused_with_the_list_of_figures(tmp_path: Path) -> None:
    with bench(tmp_path, "--figure", "nonsense") as process:
        output, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 2
    assert "nonsense" in output
    assert "orchestrated-rate" in output


def test_a_chart_without_an_order_alone_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    with bench(tmp_path, "--figure", "memory-idle", "--chart", str(tmp_path / "chart.svg")) as process:
        output, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 2
    assert "orchestrated-p50" in output
    assert list(tmp_path.iterdir()) == []


def test_the_figures_are_listed(tmp_path: Path) -> None:
    with bench(tmp_path, "--list") as process:
        output, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 0
    assert [name for name in FIGURES if name not in output] == []
