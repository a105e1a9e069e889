"""`twinsaga compare` as a user runs it, on a stack of its own."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import commands
from comparison.child_processes import settings_in
from comparison.traced_orders import trace_orders
from comparison.trials import TRIALS
from domain.order import OrderStatus
from tests.support.stack import TWINSAGA, Json

pytestmark = [pytest.mark.long, pytest.mark.embedded("starts an embedded stack of its own")]

DEADLINE_S = 600.0
STYLES = ("orchestrated", "choreographed")


def compare(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own program
        [str(TWINSAGA), "compare", *options], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def rows(figures: Json, name: str) -> Sequence[Json]:
    (found,) = [scenario for scenario in figures["scenarios"] if scenario["name"] == name]
    return [found["styles"][style] for style in STYLES]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("compared")
    return folder / "figures.json", folder / "report" / "report.html"


@pytest.fixture(scope="module")
def played(files: tuple[Path, Path]) -> "subprocess.CompletedProcess[str]":
    figures, report = files
    names = ("undeliverable", "killed_charging", "scarce")
    chosen = [option for name in names for option in ("--scenario", name)]
    return compare(*chosen, "--orders", "4", "--seed", "5", "--json", str(figures), "--report", str(report))


@pytest.fixture
def figures(played: "subprocess.CompletedProcess[str]", files: tuple[Path, Path]) -> Json:
    assert played.returncode == 0, played.stdout + played.stderr
    found: Json = json.loads(files[0].read_text())
    return found


def test_orders_end_in_both_styles_as_their_scenarios_say(figures: Json) -> None:
    assert figures["ok"] is True
    assert figures["audit"]["ok"] is True
    assert figures["seed"] == 5
    for row in rows(figures, "undeliverable"):
        assert row["outcomes"] == [{"status": "cancelled", "reason": "undeliverable_address", "orders": 4}]
    for row in rows(figures, "scarce"):
        assert {(end["status"], end["orders"]) for end in row["outcomes"]} == {("confirmed", 20), ("cancelled", 28)}


def test_each_style_has_its_own_costs(figures: Json) -> None:
    orchestrated, choreographed = rows(figures, "undeliverable")

    assert orchestrated["events_per_order"] == choreographed["events_per_order"] == 8
    assert (orchestrated["kafka_records_per_order"], choreographed["kafka_records_per_order"]) == (0, 8)
    assert orchestrated["history_events_per_order"] > 20
    assert choreographed["history_events_per_order"] == 0
    assert (orchestrated["systems"], choreographed["systems"]) == (1, 4)
    for row in (orchestrated, choreographed):
        assert row["service_commits_per_order"] >= 8
        assert row["own_cpu_seconds_per_order"] > 0
        assert 0 < row["inconsistent"]["p50"] < row["latency"]["p50"]


def test_a_killed_process_is_restarted_and_the_orders_continue(figures: Json) -> None:
    for row in rows(figures, "killed_charging"):
        assert row["outcomes"] == [{"status": "confirmed", "reason": None, "orders": 8}]
        assert all(seconds > 0 for seconds in row["recovery_seconds_by_block"])
        assert row["own_cpu_seconds_per_order"] is None  # the killed process lost its counter


def test_the_blocks_are_interleaved(figures: Json) -> None:
    for scenario in figures["scenarios"]:
        first, second, third, fourth = scenario["blocks"]
        assert first == fourth != second == third


def test_terminal_and_report_show_the_same_results(
    figures: Json, played: "subprocess.CompletedProcess[str]", files: tuple[Path, Path]
) -> None:
    report = files[1].read_text()

    for scenario in figures["scenarios"]:
        assert scenario["name"] in played.stdout
        assert f'<article id="{scenario["name"]}">' in report
    assert "audit: every invariant holds" in played.stdout
    assert "Every order ended as its scenario says" in report
    assert report.count('<svg class="sequence"') == 2 * len(figures["scenarios"])


@pytest.mark.usefixtures("played")
def test_report_and_figures_hold_no_card_token_and_no_address(files: tuple[Path, Path]) -> None:
    for file in files:
        assert [secret for secret in ("tok_", "Souza", "Paulista", "01310") if secret in file.read_text()] == []


def test_the_report_has_a_waterfall_of_the_spans_of_each_style(figures: Json, files: tuple[Path, Path]) -> None:
    traced, report = figures["traced"], files[1].read_text()

    assert report.count('<div class="waterfall">') == len(STYLES)
    names = {style: {(span["name"], span["process"]) for span in traced[style]["spans"]} for style in STYLES}
    assert {
        ("POST /orders", "api"),
        ("RunWorkflow:OrderSaga", "saga-worker"),
        ("RunActivity:schedule_shipping", "saga-worker"),
    } <= names["orchestrated"]
    assert {
        ("POST /orders", "api"),
        ("publish order.created", "order-service"),
        ("process order.created", "payment-service"),
        ("process inventory.reserved", "shipping-service"),
    } <= names["choreographed"]
    for style in STYLES:
        (trace,) = {span["trace_id"] for span in traced[style]["spans"]}
        assert traced[style]["status"] == "confirmed"
        for name, process in names[style]:
            assert f'<span class="name">{name}</span> <span class="process">{process}</span>' in report, trace


def test_a_stack_that_cannot_send_traces_costs_only_the_waterfalls(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, temporal_binary=tmp_path / "missing")

    traced = trace_orders(settings, tmp_path / "traced")

    assert traced.orders == {}
    assert "the stack did not come up" in (traced.problem or "")


def test_an_unexpected_outcome_fails_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declined = TRIALS["declined"]
    wrong = replace(declined, scenario=replace(declined.scenario, status=OrderStatus.CONFIRMED, reason=None))
    monkeypatch.setitem(TRIALS, "declined", wrong)

    report = tmp_path / "report.html"
    shown = CliRunner().invoke(
        commands, ["compare", "--scenario", "declined", "--orders", "2", "--report", str(report)]
    )

    assert shown.exit_code == 1, shown.output
    assert "declined, choreographed: 2 cancelled (payment_declined), not 2 confirmed" in shown.output
    assert "Some results are wrong" in report.read_text()


def test_an_unknown_scenario_is_refused_with_the_list_of_scenarios() -> None:
    refused = compare("--scenario", "nonsense")

    assert refused.returncode == 2
    assert "nonsense" in refused.stderr
    assert "killed_charging" in refused.stderr


def test_databases_elsewhere_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSAGA_ORDERS_DATABASE_URL", "postgresql://shop@127.0.0.1/orders")

    refused = compare("--scenario", "ok")

    assert refused.returncode == 1
    assert "unset TWINSAGA_ORDERS_DATABASE_URL" in refused.stderr


def test_the_scenarios_are_listed() -> None:
    listed = compare("--list")

    assert listed.returncode == 0
    assert all(name in listed.stdout for name in TRIALS)
