"""The measures of orders, and how they are combined to rows."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from comparison.measures import latency_of, per_second, percentile, recovery_seconds, used_between
from comparison.results import results_of
from comparison.stack import Reading
from comparison.stack_meter import commits
from comparison.trial_player import plan_turns
from comparison.trials import SHORT, TRIALS, Kind
from domain.order import SagaStyle
from tests.support.comparisons import CONFIRMED, UNDONE, after, block, both_styles, comparison_of, measured_order, usage

ORCHESTRATED, CHOREOGRAPHED = SagaStyle


def reading(**changes: object) -> Reading:
    fields = {
        "at": 10.0,
        "pids": {"kafka": 1, "temporal": 2, "api": 3},
        "cpu": {"kafka": 5.0, "temporal": 6.0, "api": 7.0},
        "commits": {"orders": 10, "temporal": 20},
        "records": {"orders": 30},
    }
    return Reading(**fields | changes)  # type: ignore[arg-type]


def test_an_order_is_inconsistent_from_its_first_effect_to_its_last_undo() -> None:
    undone = measured_order(*CONFIRMED[:4], *UNDONE, status="cancelled")

    assert undone.inconsistent_seconds == pytest.approx(0.4)  # payment.completed at 0.2, payment.refunded at 0.6


def test_a_confirmed_order_is_inconsistent_until_it_is_confirmed() -> None:
    assert measured_order().inconsistent_seconds == pytest.approx(0.3)


def test_an_order_without_an_effect_is_never_inconsistent() -> None:
    declined = measured_order(
        "order.requested", "order.created", "payment.failed", "order.cancelled", status="cancelled"
    )

    assert declined.inconsistent_seconds == 0


def test_one_history_shows_the_whole_order_and_event_logs_only_together() -> None:
    assert measured_order(history_events=37).systems == 1
    assert measured_order().systems == 4
    assert measured_order("order.requested", "payment.failed").systems == 2


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (95, 2.9), (99, 2.98)])
def test_percentiles_interpolate_between_ranks(percent: int, value: float) -> None:
    assert percentile([3.0, 1.0, 2.0], percent) == pytest.approx(value)


def test_a_percentile_of_too_few_orders_is_left_out() -> None:
    few, some, many = (latency_of([[float(number) for number in range(count)]]) for count in (19, 20, 100))

    assert few is not None
    assert some is not None
    assert many is not None
    assert (few.p95, few.p99, few.longest) == (None, None, 18.0)
    assert some.p95 == pytest.approx(18.05)
    assert some.p99 is None
    assert many.p99 == pytest.approx(98.01)


def test_a_latency_has_the_median_of_each_block() -> None:
    latency = latency_of([[1.0, 2.0, 3.0], [5.0], []])

    assert latency is not None
    assert latency.p50_by_block == (2.0, 5.0)


def test_a_rate_runs_from_the_first_placed_to_the_last_finished() -> None:
    orders = [measured_order(placed_s=0.0, seconds=0.5), measured_order(placed_s=1.0, seconds=1.0)]

    assert per_second(orders) == pytest.approx(1.0)
    assert per_second(orders[:1]) is None
    assert per_second([*orders, measured_order(seconds=None)]) is None


def test_recovery_runs_from_the_end_of_the_fault_to_the_last_finished() -> None:
    orders = [measured_order(seconds=3.0), measured_order(seconds=7.0)]

    assert recovery_seconds(orders, after(2.0)) == pytest.approx(5.0)
    assert recovery_seconds(orders, after(9.0)) == 0
    assert recovery_seconds([*orders, measured_order(seconds=None)], after(2.0)) is None


def test_usage_is_the_difference_of_two_readings() -> None:
    later = reading(at=12.0, cpu={"kafka": 5.5, "temporal": 6.0, "api": 8.0}, commits={"orders": 17, "temporal": 21})

    used = used_between(reading(), later)

    assert used.seconds == pytest.approx(2.0)
    assert used.cpu == {"kafka": 0.5, "temporal": 0.0, "api": 1.0}
    assert used.commits == {"orders": 7, "temporal": 1}
    assert used.records == {"orders": 0}


def test_counters_of_restarted_processes_are_left_out() -> None:
    later = reading(pids={"kafka": 8, "temporal": 9, "api": 3}, cpu={"kafka": 9.0, "temporal": 9.0, "api": 9.0})

    used = used_between(reading(), later)

    assert used.cpu == {"api": 2.0}
    assert used.commits == {"orders": 0}
    assert used.records == {}
    assert (used.service_commits, used.engine_commits, used.saga_records) == (None, None, None)


def test_a_counter_that_went_back_is_left_out() -> None:
    assert used_between(reading(), reading(commits={"orders": 9, "temporal": 20})).commits == {"temporal": 0}


def test_the_blocks_of_a_style_become_one_row_with_means_per_order() -> None:
    (result,) = results_of(both_styles("ok", measured_order(), measured_order(seconds=0.7)), ["ok"])

    row = result.rows[CHOREOGRAPHED]

    assert result.blocks == (ORCHESTRATED, CHOREOGRAPHED, CHOREOGRAPHED, ORCHESTRATED)
    assert (row.orders, row.service_commits, row.records, row.engine_commits) == (4, 14.0, 6.0, 30.0)
    assert row.cpu["api"] == pytest.approx(0.2)
    assert row.own_cpu == pytest.approx(7 * 0.2)
    assert result.rows[ORCHESTRATED].own_cpu == pytest.approx(4 * 0.2)


def test_a_row_has_no_cpu_time_if_one_block_lost_its_counter() -> None:
    lost = usage()
    lost.cpu.pop("kafka")  # type: ignore[attr-defined]
    blocks = [
        block(TRIALS["ok"], style, [measured_order()], used=used) for style in SagaStyle for used in (usage(), lost)
    ]

    (result,) = results_of(blocks, ["ok"])

    assert result.rows[CHOREOGRAPHED].own_cpu is None
    assert result.rows[ORCHESTRATED].own_cpu is not None


def test_recovery_is_given_by_block() -> None:
    trial, kill = TRIALS["killed_charging"], after(1.0)
    four = [measured_order(seconds=4.0)] * 4
    blocks = [block(trial, style, four, fault_ended=ended) for style in SagaStyle for ended in (kill, None)]

    (result,) = results_of(blocks, [trial.name])

    assert result.rows[ORCHESTRATED].recovery == (3.0, None)


def test_a_wrong_outcome_is_unexpected() -> None:
    comparison = comparison_of(
        both_styles("ok", measured_order(), measured_order(status="cancelled", reason="out_of_stock"))
    )

    assert not comparison.ok
    assert [(trial.name, row.style) for trial, row in comparison.unexpected] == [("ok", style) for style in SagaStyle]


def test_a_block_with_too_few_orders_is_not_ok() -> None:
    trial = TRIALS["load_16"]
    blocks = [block(trial, style, [measured_order()] * 15) for style in SagaStyle]

    assert not comparison_of(blocks).ok


def test_a_broken_invariant_is_not_ok() -> None:
    broken = {"ok": False, "orders_checked": 1, "orders_pending": 0, "broken": []}

    assert comparison_of(both_styles("ok", measured_order())).ok
    assert not comparison_of(both_styles("ok", measured_order()), audit=broken).ok


def test_scarce_stock_decides_how_many_orders_are_confirmed() -> None:
    trial = TRIALS["scarce"]

    assert trial.expected(24) == Counter({("confirmed", None): 10, ("cancelled", "out_of_stock"): 14})
    assert trial.expected(10) == Counter({("confirmed", None): 10})


def test_styles_alternate_and_the_seed_decides_the_order() -> None:
    trials = list(TRIALS.values())

    planned = plan_turns(trials, orders=5, seed=3)

    assert planned == plan_turns(trials, orders=5, seed=3)
    assert planned != plan_turns(trials, orders=5, seed=4)
    for first in range(0, len(planned), 4):
        a, b, c, d = planned[first : first + 4]
        assert a.trial is b.trial is c.trial is d.trial
        assert a.style is d.style is not b.style is c.style
    assert {turn.orders for turn in planned if turn.trial.name == "ok"} == {3}
    kinds = [turn.trial.kind for turn in planned]
    assert kinds.index(Kind.FAULT) > max(number for number, kind in enumerate(kinds) if kind is Kind.BUSINESS)


def test_a_brief_plan_plays_faults_once_in_each_style() -> None:
    planned = plan_turns([TRIALS["ok"], TRIALS["killed_charging"]], orders=2, seed=1, brief=True)

    assert [turn.trial.name for turn in planned] == ["ok"] * 4 + ["killed_charging"] * 2
    assert {turn.style for turn in planned[4:]} == set(SagaStyle)


def test_the_short_set_has_known_trials() -> None:
    assert set(SHORT) < set(TRIALS)


def test_writing_commits_of_all_connections_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "books.db"
    assert commits(file) is None
    with closing(sqlite3.connect(file, isolation_level=None)) as one, closing(sqlite3.connect(file)) as other:
        one.execute("PRAGMA journal_mode=WAL")
        one.execute("PRAGMA synchronous=OFF")
        one.execute("CREATE TABLE pages (number INTEGER)")
        before = commits(file)
        assert before is not None

        for number in range(2_000):  # enough for SQLite to checkpoint the WAL meanwhile
            one.execute("INSERT INTO pages VALUES (?)", (number,))
        other.executemany("INSERT INTO pages VALUES (?)", [(number,) for number in range(50)])
        other.commit()
        one.execute("SELECT count(*) FROM pages").fetchall()

        assert commits(file) == before + 2_001
